#!/usr/bin/env bash
# Everything: images, import into K3s, deployment, validation, test of the APIs.
#
#   sudo scripts/k8s/00-full-deploy.sh [--yes]
#
# It asks before it begins; --yes does not ask. The first step that fails ends it.
# Exit codes: 0 all steps passed, 2 usage or not confirmed, otherwise that of the step that failed.
set -euo pipefail
# shellcheck source=scripts/k8s/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1-} in
  --yes) shift ;;
  *)
    takes_no_arguments "$@"
    echo "This builds three images, imports them into K3s and replaces the module's objects in namespace $namespace."
    read -r -p "Enter goes on, Ctrl-C ends: " || die 2 "nobody confirmed it; --yes does not ask"
    ;;
esac
takes_no_arguments "$@"

for step in 01-build-images 02-import-images 03-deploy 04-validate 05-test-apis; do
  echo
  say "step $step"
  status=0
  "$root/scripts/k8s/$step.sh" || status=$?
  [ "$status" -eq 0 ] || die "$status" "step $step failed with exit code $status; the steps after it were not run"
done
echo
say "deployed and tested. Remove it with scripts/k8s/06-cleanup.sh"
