//! The terminal of a dashboard: saves its modes and restores them.

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::io::{IsTerminal, Write, stdin, stdout};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// `_POSIX_VDISABLE`: disables a special key.
const NO_KEY: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

/// The terminal, shared with the signal handler, which restores it before an immediate exit.
#[derive(Clone, Default)]
pub(super) struct Screen {
    /// Modes of the terminal before the dashboard; `None` while no dashboard is open.
    saved_modes: Arc<Mutex<Option<Termios>>>,
}

impl Screen {
    /// The reason why the terminal does not support a dashboard, if any.
    pub(super) fn obstacle() -> Option<&'static str> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        if !stdout().is_terminal() {
            Some("standard output is not a terminal")
        } else if !stdin().is_terminal() {
            Some("standard input is not a terminal")
        } else if dumb {
            Some("TERM is unset or \"dumb\"")
        } else {
            None
        }
    }

    /// Saves the modes of the terminal.
    pub(super) fn take(&self) {
        if let Ok(mut saved_modes) = self.saved_modes.lock() {
            *saved_modes = tcgetattr(stdin()).ok();
        }
    }

    /// Waits until the dashboard has switched the terminal to raw mode, then enables the signal of Ctrl-C again.
    /// Ctrl-Z and Ctrl-\\ stay disabled: they would leave the shell with the modes of the dashboard.
    pub(super) fn keep_signals(&self) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            let Ok(mut modes) = tcgetattr(stdin()) else { return };
            if !modes.local_modes.contains(LocalModes::ISIG) {
                modes.local_modes.insert(LocalModes::ISIG);
                for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
                    modes.special_codes[key] = NO_KEY;
                }
                let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether a dashboard is open.
    pub(super) fn is_taken(&self) -> bool {
        self.saved_modes.lock().is_ok_and(|saved_modes| saved_modes.is_some())
    }

    /// Records that the dashboard has closed and restored the terminal.
    pub(super) fn release(&self) {
        if let Ok(mut saved_modes) = self.saved_modes.lock() {
            *saved_modes = None;
        }
    }

    /// Restores the terminal before an immediate exit: its modes, no mouse events, the main screen, a visible
    /// cursor.
    pub(super) fn restore(&self) {
        let Some(modes) = self.saved_modes.lock().ok().and_then(|mut modes| modes.take()) else {
            return;
        };
        let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
        let mut out = stdout();
        let _ = out.write_all(b"\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l");
        let _ = out.write_all(b"\x1b[?1049l\x1b[?25h");
        let _ = out.flush();
    }
}
