//! Words about what is not as asked but no reason to fail. Whoever uses the library says where they go.

use std::sync::OnceLock;

type Sink = Box<dyn Fn(&str) + Send + Sync>;
static SINK: OnceLock<Sink> = OnceLock::new();

/// From now on warnings go to `sink`; the first one that is named stays. Without one they are lost.
pub fn set_sink(sink: impl Fn(&str) + Send + Sync + 'static) {
    let _ = SINK.set(Box::new(sink));
}

pub(super) fn warn(text: &str) {
    if let Some(sink) = SINK.get() {
        sink(text);
    }
}
