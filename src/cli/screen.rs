//! A terminal that a dashboard has taken for itself, and how it is given back.

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io::{IsTerminal, Write, stdin, stdout};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// `_POSIX_VDISABLE`: what no key sends.
const NO_KEY: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

/// The state of the terminal, shared with who may have to give it back in a hurry.
#[derive(Clone, Default)]
pub(super) struct Screen {
    /// How the terminal was before, while it is taken.
    before: Arc<Mutex<Option<Termios>>>,
}

impl Screen {
    /// Why there can be no dashboard, if so.
    pub fn obstacle() -> Option<&'static str> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        if !stdout().is_terminal() {
            Some("standard output is not a terminal")
        } else if !stdin().is_terminal() {
            Some("standard input is not a terminal")
        } else if dumb {
            Some("the terminal (TERM) can only show lines")
        } else {
            None
        }
    }

    /// Remembers how the terminal is.
    pub fn take(&self) {
        if let Ok(mut before) = self.before.lock() {
            *before = tcgetattr(stdin()).ok();
        }
    }

    /// Lets Ctrl-C be a signal again once the dashboard has taken every key for itself. Keys that would
    /// leave the shell with the dashboard's terminal (Ctrl-Z, Ctrl-\\) stay off.
    pub fn keep_signals(&self) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let Ok(mut now) = tcgetattr(stdin()) else { return };
            if !now.local_modes.contains(LocalModes::ISIG) {
                now.local_modes.insert(LocalModes::ISIG);
                for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
                    now.special_codes[key] = NO_KEY;
                }
                let _ = tcsetattr(stdin(), OptionalActions::Now, &now);
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether a dashboard is up.
    pub fn is_taken(&self) -> bool {
        self.before.lock().is_ok_and(|before| before.is_some())
    }

    /// The dashboard is gone and has tidied up behind itself.
    pub fn given_back(&self) {
        if let Ok(mut before) = self.before.lock() {
            *before = None;
        }
    }

    /// Gives the terminal back for a dashboard that cannot any more: its modes, no mouse, the
    /// ordinary screen, a cursor.
    pub fn tear_away(&self) {
        let Some(before) = self.before.lock().ok().and_then(|mut before| before.take()) else {
            return;
        };
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
        let mut out = stdout();
        let _ = out.write_all(b"\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l");
        let _ = out.write_all(b"\x1b[?1049l\x1b[?25h");
        let _ = out.flush();
    }
}
