//! What runs inside a machine, and the wire format it shares with the host.
