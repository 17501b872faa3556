//! D-Bus messages that come in, read with care: every length is checked.

use super::SystemdError;
use super::wire::{LITTLE_ENDIAN, MEMBER, VERSION};

// Fields of a header.
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;

/// A message that came in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// 2: reply, 3: error, 4: signal.
    pub(super) kind: u8,
    pub(super) member: String,
    pub(super) error: String,
    pub(super) reply_to: u32,
    pub(super) body: Vec<u8>,
}

/// Bytes of the part of a message that says how long all of it is.
pub(super) const FIXED: usize = 16;
/// More than systemd ever says.
const LONGEST: usize = 1 << 20;

/// Length of the whole message that begins so.
pub(super) fn length(fixed: &[u8; FIXED]) -> Result<usize, SystemdError> {
    if fixed[0] != LITTLE_ENDIAN || fixed[3] != VERSION {
        return Err(SystemdError::Unreadable);
    }
    let (body, fields) = (number_at(fixed, 4)?, number_at(fixed, 12)?);
    let all = (FIXED + fields as usize).next_multiple_of(8) + body as usize;
    if all > LONGEST { Err(SystemdError::Unreadable) } else { Ok(all) }
}

fn number_at(bytes: &[u8], at: usize) -> Result<u32, SystemdError> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map(u32::from_le_bytes).ok_or(SystemdError::Unreadable)
}

impl Message {
    /// From all its bytes.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, SystemdError> {
        let fields_end = FIXED + number_at(bytes, 12)? as usize;
        let body = bytes.get(fields_end.next_multiple_of(8)..).ok_or(SystemdError::Unreadable)?;
        let mut message = Self { kind: bytes[1], body: body.to_vec(), ..Self::default() };
        let mut r = Reader { bytes: &bytes[..fields_end], at: FIXED };
        while r.at < fields_end {
            r.align(8);
            let code = r.byte()?;
            match r.signature()?.as_str() {
                "s" | "o" => {
                    let text = r.text()?;
                    match code {
                        MEMBER => message.member = text,
                        ERROR_NAME => message.error = text,
                        _ => {}
                    }
                }
                "u" => {
                    let number = r.number32()?;
                    if code == REPLY_SERIAL {
                        message.reply_to = number;
                    }
                }
                "g" => drop(r.signature()?),
                _ => return Err(SystemdError::Unreadable),
            }
        }
        Ok(message)
    }

    /// Its body, from the beginning.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { bytes: &self.body, at: 0 }
    }
}

/// Takes values out of bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn byte(&mut self) -> Result<u8, SystemdError> {
        let byte = self.bytes.get(self.at).copied().ok_or(SystemdError::Unreadable)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: usize) -> Result<String, SystemdError> {
        let text = self.bytes.get(self.at..self.at + length).ok_or(SystemdError::Unreadable)?;
        // A zero follows that is no part of it.
        self.at += length + 1;
        String::from_utf8(text.to_vec()).map_err(|_| SystemdError::Unreadable)
    }

    /// `u`
    pub(super) fn number32(&mut self) -> Result<u32, SystemdError> {
        self.align(4);
        let number = number_at(self.bytes, self.at)?;
        self.at += 4;
        Ok(number)
    }

    /// `s` and `o`.
    pub(super) fn text(&mut self) -> Result<String, SystemdError> {
        let length = self.number32()? as usize;
        self.take(length)
    }

    /// `g`
    pub(super) fn signature(&mut self) -> Result<String, SystemdError> {
        let length = self.byte()? as usize;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Call, Writer};
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let mut body = Writer::default();
        body.text("word");
        let call =
            Call { destination: "d", path: "/p", interface: "i", method: "Done", signature: "s", body };
        let bytes = call.message(9);
        let fixed: [u8; FIXED] = bytes[..FIXED].try_into().expect("fixed part");
        assert_eq!(length(&fixed).expect("length"), bytes.len());
        let message = Message::parse(&bytes).expect("message");
        assert_eq!((message.kind, message.member.as_str()), (1, "Done"));
        assert_eq!(message.reader().text().expect("text"), "word");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = Call {
            destination: "d",
            path: "/p",
            interface: "i",
            method: "m",
            signature: "",
            body: Writer::default(),
        }
        .message(1);
        for cut in FIXED..whole.len() {
            for value in [0, 7, 255] {
                let mut bytes = whole.clone();
                bytes[cut] = value;
                let _ = Message::parse(&bytes).map(|m| m.reader().text());
                let _ = Message::parse(&bytes[..cut]).map(|m| m.reader().text());
            }
        }
    }
}
