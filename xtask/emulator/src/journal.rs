//! The journal: what happened, for tests and measurements.
//!
//! `{"event":"listening","port":9000}` · `{"event":"start","pid":7}` · `{"event":"ready","pid":7,"micros":5123}`, at its
//! first question for an invocation · `{"event":"invoke","pid":7,"request":"…"}` · `{"event":"end","pid":7,
//! "request":"…","outcome":"complete","millis":12}`, where the outcome is `complete`, `error`, `crash` or `timeout` ·
//! `{"event":"exit","pid":7,"status":"…"}`

use std::io::Write;

use serde_json::Value;

/// Writes a line at once.
pub fn note(line: &Value) {
    let mut output = std::io::stdout().lock();
    // Nobody may be listening.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
