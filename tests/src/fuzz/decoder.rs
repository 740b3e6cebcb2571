//! The wire format: any bytes into the decoder, and what came out of it through the encoder.

use std::time::Duration;

use ssedge::limits::DECODED_EVENT_BYTES;
use ssedge::sse::{Decoded, Decoder, Event, EventId, EventName, Message};

/// What a stream said, and the id at its end.
type Heard = (Vec<Decoded>, String);

/// The input is a stream. What it says is what the standard says, however it is cut, and all of it can be said again.
pub fn decoder(wire: &[u8]) {
    // Beyond its bound the decoder gives up.
    if wire.len() > DECODED_EVENT_BYTES {
        return;
    }
    let heard = by_the_standard(wire);
    for size in [wire.len().max(1), 1, 2, 3, 7] {
        assert_eq!(decode(wire, size), heard, "{} in chunks of {size}", wire.escape_ascii());
    }
    for said in &heard.0 {
        say_again(said);
    }
    let text = String::from_utf8_lossy(wire);
    let lines = unified(&text);
    assert_eq!(decode(&Event::new().data(&*text).to_bytes(), 5).0, [message("message", &lines, "")]);
    let comments: Vec<_> = lines.split('\n').map(|line| Decoded::Comment(line.to_owned())).collect();
    assert_eq!(decode(&Event::new().comment(&*text).to_bytes(), 5).0, comments);
}

fn decode(wire: &[u8], size: usize) -> Heard {
    let mut decoder = Decoder::new();
    let mut heard = Vec::new();
    for chunk in wire.chunks(size) {
        decoder.feed(chunk, |said| heard.push(said)).expect("it is below the bound");
    }
    (heard, decoder.last_event_id().to_owned())
}

fn message(event: &str, data: &str, last_event_id: &str) -> Decoded {
    let [event, data, last_event_id] = [event, data, last_event_id].map(str::to_owned);
    Decoded::Message(Message { event, data, last_event_id })
}

/// With LF as the only line end.
fn unified(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// WHATWG HTML [§ 9.2.6], word for word, on a stream that is there as a whole.
///
/// [§ 9.2.6]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
fn by_the_standard(wire: &[u8]) -> Heard {
    let text = String::from_utf8_lossy(wire);
    let text = unified(text.strip_prefix('\u{feff}').unwrap_or(&text));
    // What follows the last line end is no line yet.
    let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let mut heard = Vec::new();
    let (mut data, mut event, mut id, mut last) =
        (String::new(), String::new(), String::new(), String::new());
    for line in lines.split('\n').filter(|_| text.contains('\n')) {
        if line.is_empty() {
            last.clone_from(&id);
            let (data, event) = (std::mem::take(&mut data), std::mem::take(&mut event));
            if let Some(data) = data.strip_suffix('\n') {
                heard.push(message(if event.is_empty() { "message" } else { &event }, data, &last));
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => heard.push(Decoded::Comment(value.to_owned())),
            "event" => value.clone_into(&mut event),
            "data" => data.push_str(&format!("{value}\n")),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) => {
                heard.push(Decoded::Retry(Duration::from_millis(value.parse().unwrap_or(u64::MAX))));
            }
            _ => {}
        }
    }
    (heard, last)
}

/// Whatever was decoded can be encoded, and then decodes to the same.
fn say_again(said: &Decoded) {
    let (event, expected) = match said {
        Decoded::Retry(retry) => (Event::new().retry(*retry), said.clone()),
        Decoded::Comment(text) => (Event::new().comment(text), said.clone()),
        Decoded::Message(Message { event, data, last_event_id }) => {
            let id = EventId::new(last_event_id).expect("a decoded id has no line end and no NUL");
            let block = Event::new().id(id).data(data);
            match EventName::new(event) {
                Ok(name) => (block.name(name), said.clone()),
                // The standard has more names than we write.
                Err(_) => (block, message("message", data, last_event_id)),
            }
        }
    };
    assert_eq!(decode(&event.to_bytes(), 3).0, [expected]);
}
