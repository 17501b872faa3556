//! D-Bus messages as bytes, as far as systemd's manager is spoken to: little endian, no file descriptors (D-Bus
//! specification, "Marshaling" and "Message Format").

/// A value of a property of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `s`
    Text(String),
    /// `b`
    Bool(bool),
    /// `t`
    Number(u64),
    /// `x`
    Long(i64),
    /// `u`
    Word(u32),
    /// `i`
    Int(i32),
    /// `as`
    Texts(Vec<String>),
    /// `ay`
    Bytes(Vec<u8>),
    /// `au`
    Pids(Vec<u32>),
    /// `a(ss)`
    Pairs(Vec<(String, String)>),
    /// `a(st)`
    Rates(Vec<(String, u64)>),
}

impl Value {
    fn signature(&self) -> &'static str {
        match self {
            Self::Text(_) => "s",
            Self::Bool(_) => "b",
            Self::Number(_) => "t",
            Self::Long(_) => "x",
            Self::Word(_) => "u",
            Self::Int(_) => "i",
            Self::Texts(_) => "as",
            Self::Bytes(_) => "ay",
            Self::Pids(_) => "au",
            Self::Pairs(_) => "a(ss)",
            Self::Rates(_) => "a(st)",
        }
    }
}

/// Bytes of a message or of its body, which begin at a multiple of eight.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number32(&mut self, n: u32) {
        self.align(4);
        self.0.extend(n.to_le_bytes());
    }

    fn number64(&mut self, n: u64) {
        self.align(8);
        self.0.extend(n.to_le_bytes());
    }

    /// `s` and `o`.
    pub(super) fn text(&mut self, text: &str) {
        self.number32(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    /// `b`
    pub(super) fn flag(&mut self, flag: bool) {
        self.number32(u32::from(flag));
    }

    /// `au`
    pub(super) fn pids(&mut self, pids: &[u32]) {
        self.array(4, pids, |w, pid| w.number32(*pid));
    }

    fn signature(&mut self, text: &str) {
        self.0.push(text.len() as u8);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    /// Length, space up to the first element (an empty array has it, too), elements.
    fn array<T>(&mut self, to: usize, all: &[T], mut one: impl FnMut(&mut Self, &T)) {
        self.number32(0);
        let length_at = self.0.len() - 4;
        self.align(to);
        let from = self.0.len();
        for item in all {
            self.align(to);
            one(self, item);
        }
        let length = (self.0.len() - from) as u32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        match value {
            Value::Text(text) => self.text(text),
            Value::Bool(flag) => self.flag(*flag),
            Value::Number(n) => self.number64(*n),
            Value::Long(n) => self.number64(n.cast_unsigned()),
            Value::Word(n) => self.number32(*n),
            Value::Int(n) => self.number32(n.cast_unsigned()),
            Value::Texts(all) => self.array(4, all, |w, text| w.text(text)),
            Value::Bytes(bytes) => self.array(1, bytes, |w, byte| w.0.push(*byte)),
            Value::Pids(pids) => self.pids(pids),
            Value::Pairs(pairs) => self.array(8, pairs, |w, (a, b)| {
                w.text(a);
                w.text(b);
            }),
            Value::Rates(rates) => self.array(8, rates, |w, (path, rate)| {
                w.text(path);
                w.number64(*rate);
            }),
        }
    }

    /// `a(sv)`
    pub(super) fn properties(&mut self, all: &[(&str, Value)]) {
        self.array(8, all, |w, (name, value)| {
            w.text(name);
            w.variant(value);
        });
    }

    /// `a(sa(sv))` without elements.
    pub(super) fn no_more_units(&mut self) {
        self.array::<()>(8, &[], |_, ()| {});
    }
}

/// A call of a method.
pub(super) struct Call<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) method: &'a str,
    /// Of the body.
    pub(super) signature: &'a str,
    pub(super) body: Writer,
}

pub(super) const LITTLE_ENDIAN: u8 = b'l';
pub(super) const VERSION: u8 = 1;
const METHOD_CALL: u8 = 1;

// Fields of a header.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
pub(super) const MEMBER: u8 = 3;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

impl Call<'_> {
    /// The whole message.
    pub(super) fn message(&self, serial: u32) -> Vec<u8> {
        let mut w = Writer(vec![LITTLE_ENDIAN, METHOD_CALL, 0, VERSION]);
        w.number32(self.body.0.len() as u32);
        w.number32(serial);
        let fields = [
            (PATH, "o", self.path),
            (DESTINATION, "s", self.destination),
            (INTERFACE, "s", self.interface),
            (MEMBER, "s", self.method),
            (SIGNATURE, "g", self.signature),
        ];
        let used = fields.iter().filter(|(code, _, text)| *code != SIGNATURE || !text.is_empty());
        let used: Vec<_> = used.collect();
        w.array(8, &used, |w, (code, kind, text)| {
            w.0.push(*code);
            w.signature(kind);
            if *kind == "g" { w.signature(text) } else { w.text(text) }
        });
        w.align(8);
        w.0.extend(&self.body.0);
        w.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `busctl call` writes the same.
    #[test]
    fn values_lie_at_their_places() {
        let mut w = Writer::default();
        w.text("a.scope");
        w.text("replace");
        w.properties(&[("PIDs", Value::Pids(vec![7])), ("Delegate", Value::Bool(true))]);
        w.no_more_units();
        let parts: [&[u8]; 12] = [
            b"\x07\0\0\0a.scope\0",
            b"\x07\0\0\0replace\0",
            b"\x2c\0\0\0",
            b"\0\0\0\0",
            b"\x04\0\0\0PIDs\0",
            b"\x02au\0",
            b"\0\0\0",
            b"\x04\0\0\0\x07\0\0\0",
            b"\x08\0\0\0Delegate\0",
            b"\x01b\0",
            b"\x01\0\0\0",
            b"\0\0\0\0",
        ];
        assert_eq!(w.0, parts.concat());
        let mut w = Writer::default();
        w.text("abc");
        w.properties(&[]);
        assert_eq!(w.0.len(), 16, "an empty array goes on to where its first element would be");
    }
}
