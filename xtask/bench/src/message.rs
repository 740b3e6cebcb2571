//! The text of a message: filling, and at its end the time when it was sent. A reader finds that time in the bytes of
//! its stream, however a system wraps the text, and whatever else it sends.

/// Stands before the time. No system sends it elsewhere.
const MARK: u8 = b'@';
/// Digits of the time, in microseconds since the load generator began.
const DIGITS: usize = 12;
/// What is filled up.
const FILLING: &str = "x";

/// A text of so many bytes, at least those of the mark and the time.
pub fn text(bytes: usize, sent: u64) -> String {
    format!("{}{}{sent:0DIGITS$}", FILLING.repeat(bytes.saturating_sub(1 + DIGITS)), char::from(MARK))
}

/// Finds the times of messages in a stream.
#[derive(Debug, Default)]
pub struct Scanner {
    /// How many digits of a time have come, if a mark has.
    digits: Option<usize>,
    time: u64,
}

impl Scanner {
    /// Tells the time of each message whose last digit is among these bytes.
    pub fn feed(&mut self, mut bytes: &[u8], mut told: impl FnMut(u64)) {
        while !bytes.is_empty() {
            let Some(digits) = self.digits else {
                let Some(mark) = bytes.iter().position(|byte| *byte == MARK) else { return };
                bytes = &bytes[mark + 1..];
                (self.digits, self.time) = (Some(0), 0);
                continue;
            };
            let (first, rest) = (bytes[0], &bytes[1..]);
            bytes = rest;
            self.time = self.time * 10 + u64::from(first.wrapping_sub(b'0') % 10);
            self.digits = Some(digits + 1).filter(|digits| *digits < DIGITS);
            if self.digits.is_none() {
                told(self.time);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scanner, text};

    fn times(stream: &[u8], chunk: usize) -> Vec<u64> {
        let (mut scanner, mut times) = (Scanner::default(), Vec::new());
        stream.chunks(chunk).for_each(|bytes| scanner.feed(bytes, |time| times.push(time)));
        times
    }

    #[test]
    fn each_message_is_found_wherever_the_stream_is_cut() {
        let [a, b] = [text(100, 12), text(20, 1_234_567)];
        assert_eq!((a.len(), b.len()), (100, 20));
        let stream = format!("retry: 1\n\nid: 1\ndata: {{\"text\":\"{a}\"}}\n\ndata: {b}\n\n: 7\n\n");
        for chunk in [1, 2, 7, 1_000] {
            assert_eq!(times(stream.as_bytes(), chunk), [12, 1_234_567], "{chunk}");
        }
    }

    #[test]
    fn a_message_whose_end_has_not_come_is_not_counted() {
        let message = text(30, 5);
        assert_eq!(times(&message.as_bytes()[..29], 10), [0; 0]);
    }
}
