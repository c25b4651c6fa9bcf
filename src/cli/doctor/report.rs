//! The report: one row per thing that was looked at.
//!
//! **Why three states.** "Wrong" stops a lab and is exit code 1; a "note" explains what a student will see (latency alone
//! causes no retry) and stops nothing. Neighbours: every check adds rows. Not here: looking.

use serde::Serialize;

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Note,
    Wrong,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// What was looked at, such as `port 18080`.
    pub(super) subject: String,
    pub(super) state: State,
    /// What was found.
    pub(super) found: String,
    /// What to do, where something is to be done.
    pub(super) advice: Option<String>,
}

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

/// The report with `--json`.
#[derive(Debug, Serialize)]
pub(super) struct JsonReport<'a> {
    ok: bool,
    findings: &'a [Row],
}

impl Report {
    pub(super) fn ok(&mut self, subject: impl Into<String>, found: impl Into<String>) {
        self.add(subject, State::Ok, found, None);
    }

    pub(super) fn note(
        &mut self,
        subject: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(subject, State::Note, found, Some(advice.into()));
    }

    pub(super) fn wrong(
        &mut self,
        subject: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(subject, State::Wrong, found, Some(advice.into()));
    }

    fn add(
        &mut self,
        subject: impl Into<String>,
        state: State,
        found: impl Into<String>,
        advice: Option<String>,
    ) {
        self.rows.push(Row { subject: subject.into(), state, found: found.into(), advice });
    }

    #[cfg(test)]
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether nothing is wrong.
    pub(super) fn is_well(&self) -> bool {
        self.rows.iter().all(|row| row.state != State::Wrong)
    }

    pub(super) fn as_json(&self) -> JsonReport<'_> {
        JsonReport { ok: self.is_well(), findings: &self.rows }
    }

    /// One line per row, advice below it, and the sum of all.
    pub(super) fn as_text(&self) -> String {
        let width = self.rows.iter().map(|row| row.subject.chars().count()).max().unwrap_or(0);
        let mut lines = Vec::new();
        for row in &self.rows {
            let mark = match row.state {
                State::Ok => "ok   ",
                State::Note => "note ",
                State::Wrong => "WRONG",
            };
            lines.push(format!("{mark} {:<width$}  {}", row.subject, row.found));
            if let Some(advice) = &row.advice {
                lines.push(format!("      {:<width$}  -> {advice}", ""));
            }
        }
        let wrong = self.rows.iter().filter(|row| row.state == State::Wrong).count();
        lines.push(match wrong {
            0 => "All well.".to_owned(),
            1 => "1 thing is wrong.".to_owned(),
            more => format!("{more} things are wrong."),
        });
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A note must not fail a script, and a wrong row must, whatever else is well.
    #[test]
    fn only_what_is_wrong_fails_and_it_has_advice() {
        let mut report = Report::default();
        report.ok("port 18080", "the façade");
        report.note("timeouts", "30000 ms", "latency alone causes no retry");
        assert!(report.is_well());

        report.wrong("port 8474", "nothing listens", "start facteur");
        assert!(!report.is_well());
        let text = report.as_text();
        assert!(text.contains("-> start facteur") && text.ends_with("1 thing is wrong."), "{text}");
        let json = serde_json::to_value(report.as_json()).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(json["findings"][2]["state"], "wrong");
    }
}
