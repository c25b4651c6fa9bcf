//! Every setting that is honoured: written once, read by the builder, the checks, the documentation and the listing.
//!
//! **Why a macro.** A setter's documentation, the reference page and `--explain` must not drift apart. Each entry below
//! becomes an entry of the table *and* a documented method of the builder.
//!
//! Neighbours: [`super::setting`] gives the shape, the files here hold the entries by subject. Not here: Java's settings
//! that mean nothing to this producer ([`super::not_honoured`]).

mod batching;
mod connections;
mod delivery;
mod own;
mod partitioning;

pub(super) use own::LATE_RESOLUTION_MAX_MS;

use super::setting::Setting;

/// Settings that belong together, with a heading for the reference page.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The settings.
    pub settings: &'static [Setting],
}

/// All groups, in the order of the reference page.
pub const GROUPS: [Group; 5] = [
    Group { title: "Delivery", settings: delivery::SETTINGS },
    Group { title: "Batching, memory, compression", settings: batching::SETTINGS },
    Group { title: "Partitioning", settings: partitioning::SETTINGS },
    Group { title: "Connections and metadata", settings: connections::SETTINGS },
    Group { title: "Settings of our own", settings: own::SETTINGS },
];

/// All settings that are honoured.
pub fn settings() -> impl Iterator<Item = &'static Setting> + Clone {
    GROUPS.iter().flat_map(|group| group.settings)
}

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.name == name)
}

/// Writes a table of settings and the builder's methods for them.
macro_rules! define_settings {
    ($(
        $name:literal $method:ident($type:ty) = $default:literal, $kind:expr;
        $effect:literal
        kip $kip:literal
        raise $raise:literal
        lower $lower:literal
        touch $touch:literal
    )*) => {
        /// The settings of this subject.
        pub(super) const SETTINGS: &[crate::config::setting::Setting] = &[$(
            crate::config::setting::Setting {
                name: $name,
                setter: stringify!($method),
                kind: $kind,
                default: $default,
                effect: $effect,
                kip: $kip,
                raise: $raise,
                lower: $lower,
                touch: $touch,
            },
        )*];

        impl crate::config::builder::ProducerConfigBuilder {
            $(
                #[doc = $effect]
                #[doc = ""]
                #[doc = concat!("- Default: `", $default, "`")]
                #[doc = concat!("- Java name: `", $name, "`; KIP: ", $kip)]
                #[doc = concat!("- Raising it: ", $raise)]
                #[doc = concat!("- Lowering it: ", $lower)]
                #[doc = concat!("- Touch it when: ", $touch)]
                pub fn $method(self, value: $type) -> Self {
                    self.set($name, value)
                }
            )*
        }
    };
}
use define_settings;
