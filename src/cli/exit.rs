//! How a command ends.
//!
//! **Why codes of our own.** A script must tell "the broker is not there" from "the record may be written": the second
//! must not be repeated blindly. Neighbours: every command. Not here: HTTP statuses.

use std::process::ExitCode;

use crate::error::Error;

/// An exit code, documented in `facteur --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Ok,
    /// 1: a check failed, or a request was refused.
    CheckFailed,
    /// 2: the command line, the environment or a file is wrong; nothing was done.
    Usage,
    /// 3: cannot connect, or cannot listen.
    CannotConnect,
    /// 4: at least one record is certainly not delivered.
    DeliveryFailed,
    /// 5: of at least one record nobody knows.
    DeliveryUnknown,
    /// 130: a second Ctrl-C.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::CheckFailed => 1,
            Exit::Usage => 2,
            Exit::CannotConnect => 3,
            Exit::DeliveryFailed => 4,
            Exit::DeliveryUnknown => 5,
            Exit::Interrupted => 130,
        })
    }
}

/// Why a command cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// For people: what is wrong, where, what was expected, what to do. Empty: it was said already.
    pub message: String,
}

impl Failure {
    /// A failure with a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// The command line or a file is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Config(_) | Error::InvalidTopic { .. } | Error::InvalidRecord(_) => Exit::Usage,
            Error::NotReady { .. } | Error::TopicNotAvailable { code: None, .. } => Exit::CannotConnect,
            Error::Unknown { .. } => Exit::DeliveryUnknown,
            Error::Closed
            | Error::Defect(_)
            | Error::BufferFull { .. }
            | Error::RecordTooLarge { .. }
            | Error::TopicNotAvailable { .. }
            | Error::UnknownPartition { .. }
            | Error::TopicAuthorization { .. }
            | Error::Misuse(_)
            | Error::Rejected { .. } => Exit::DeliveryFailed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    /// Only stdout gets here: files are opened with messages of their own. A reader who left (SIGPIPE) is no failure.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Ok, "");
        }
        Self::new(
            Exit::CheckFailed,
            format!("cannot write to stdout: {error}. Free some space or write elsewhere"),
        )
    }
}
