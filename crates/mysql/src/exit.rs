//! How the program ends, for scripts and for systemd.

use std::process::ExitCode;

/// What an exit code says. The numbers are those of `sysexits.h` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Success,
    /// 1: done, and somebody should look: a proposal failed, a report was rejected or is still owed, the doctor found something.
    Attention,
    /// 69: something refused what was asked, and will again.
    Refused,
    /// 75: control plane or database can't be reached or can't answer now; trying again may help. Nothing is lost.
    TryAgain,
    /// 77: a key, a password or a right is not accepted.
    NoPermission,
    /// 78: a setting or a key is missing or wrong.
    Configuration,
}

impl Exit {
    /// The process's exit code. What the command line itself has wrong ends with 2, which clap sees to.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Attention => 1,
            Exit::Refused => 69,
            Exit::TryAgain => 75,
            Exit::NoPermission => 77,
            Exit::Configuration => 78,
        }
    }

    /// Success, unless `attention` is called for.
    pub fn unless(attention: bool) -> Self {
        if attention {
            Exit::Attention
        } else {
            Exit::Success
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
