//! What a running machine tells.

/// What a machine tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineEvent {
    /// A phase of the start ends: the byte of [`crate::sys::port`].
    Stamp(u8),
    /// The workload wrote to descriptor 1 or 2.
    Output(u8, Vec<u8>),
    /// The workload ended.
    Exited(i32),
    /// Nothing more comes; empty, or why that was not to be expected.
    Closed(String),
    /// Of a second process in the guest, by its number; what is taken of the workload's input comes with the number 0.
    Exec(u32, ExecEvent),
}

/// What a second process in the guest tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// It wrote to descriptor 1 or 2.
    Output(u8, Vec<u8>),
    /// It ended.
    Ended(i32),
    /// It could not be started, and why.
    Failed(String),
    /// It has taken so many bytes of its input.
    Taken(u32),
}
