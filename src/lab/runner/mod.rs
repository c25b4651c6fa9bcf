//! The lab runner: takes the course's labs step by step, from outside, and says what it saw.
//!
//! **Why from outside.** A check that looked into the process would prove less than a student's `curl`: everything here
//! goes through HTTP to the façade and to the injector's admin API, and through the Kafka protocol to the log. So the
//! same labs run against a lab of their own, one that runs already, Docker, Kubernetes or a real Kafka (issue 4,
//! section 2). Neighbours: `cli::lab`, `cli::validate` and `routes/lab` start it; [`target`] is where it acts. Not here:
//! the fault injector and the broker themselves.
//!
//! Reading order: [`lab_id`] names the labs, [`catalogue`] has their texts, [`run`] takes one, `labs/` has one file each,
//! [`experiment`] is the heart (lab 02.4).

pub mod catalogue;
pub mod checkpoint;
pub mod desk;
pub mod experiment;
pub mod facade_client;
pub mod lab_id;
pub mod labs;
pub mod log_reader;
pub mod own_lab;
pub mod recipe;
pub mod run;
pub mod target;
pub mod toxic_client;
pub mod verdict;

/// The text in the reader's language, formatted: `say!(language, "{n} copies", "{n} copies")`.
macro_rules! say {
    ($language:expr, $english:literal, $french:literal $(,)?) => {
        match $language {
            $crate::lab::language::Language::English => format!($english),
            $crate::lab::language::Language::French => format!($french),
        }
    };
}
pub(crate) use say;
