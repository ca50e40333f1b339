//! Streams of events (WHATWG HTML §9.2.6), as a client reads them.

use super::client::ClientError;

/// Their media type.
pub(crate) const EVENTS: &str = "text/event-stream";
/// Longest event, in bytes.
const EVENT_BYTES_MAX: usize = 256 << 20;

/// One event. Its id and the time before a stream is opened again say nothing here.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Event {
    /// What kind of event it is; empty where the stream has only one.
    pub(crate) name: String,
    /// What it says.
    pub(crate) data: String,
}

/// Reads events from a body that comes in parts.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// What came of a line that is not whole yet.
    rest: Vec<u8>,
    name: String,
    data: Vec<String>,
    data_bytes: usize,
}

impl Events {
    /// The events that are whole with this part.
    pub(crate) fn take(&mut self, part: &[u8]) -> Result<Vec<Event>, ClientError> {
        // Only what is new can end a line.
        let mut from = self.rest.len();
        self.rest.extend_from_slice(part);
        if self.rest.len() + self.data_bytes > EVENT_BYTES_MAX {
            return Err(ClientError::Unusable(format!("an event has more than {EVENT_BYTES_MAX} bytes")));
        }
        let (mut whole, mut begin) = (Vec::new(), 0);
        while let Some(length) = self.rest.iter().skip(from).position(|byte| *byte == b'\n') {
            let end = from + length;
            let line = self.rest.get(begin..end).unwrap_or_default();
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            whole.extend(self.line(&line));
            (begin, from) = (end + 1, end + 1);
        }
        self.rest.drain(..begin);
        Ok(whole)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            self.data_bytes = 0;
            return (!data.is_empty()).then(|| Event { name, data: data.join("\n") });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                self.data_bytes += value.len();
                self.data.push(value.to_owned());
            }
            "event" => value.clone_into(&mut self.name),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_any_parts() {
        let stream = b"id: 1\nevent: progress\ndata: {\"a\":1}\n\n: ping\n\ndata: x\r\ndata: y\r\n\r\nretry: 5\ndata:\n\nevent: none\n\ndata\n\ndata: late";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let found = stream.chunks(size).flat_map(|part| events.take(part).unwrap());
            let found: Vec<(String, String)> = found.map(|event| (event.name, event.data)).collect();
            let expected = [("progress", "{\"a\":1}"), ("", "x\ny"), ("", ""), ("", "")];
            let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
            assert_eq!(found, expected, "{size}");
        }
    }
}
