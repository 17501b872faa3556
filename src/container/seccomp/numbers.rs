//! Numbers of system calls by their names: hash tables that the compiler fills. The crate that knows the names compares
//! them one after the other, which for a profile takes a tenth of a millisecond.

/// Twice as many as any architecture has system calls, and a power of two.
const SLOTS: usize = 1024;

/// FNV-1a.
const fn hash(name: &[u8]) -> usize {
    let (mut hash, mut i) = (0x811c_9dc5_u32, 0);
    while i < name.len() {
        hash = (hash ^ name[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    (hash ^ hash >> 16) as usize % SLOTS
}

macro_rules! table {
    ($architecture:ident) => {
        /// Of this architecture; none where it has no such call.
        pub fn $architecture(name: &str) -> Option<u32> {
            use syscalls::$architecture::Sysno;
            /// Number + 1; 0: nothing.
            static TABLE: [u16; SLOTS] = {
                let mut table = [0; SLOTS];
                let mut call = Some(Sysno::first());
                while let Some(one) = call {
                    let mut slot = hash(one.name().as_bytes());
                    while table[slot] != 0 {
                        slot = (slot + 1) % SLOTS;
                    }
                    table[slot] = one.id() as u16 + 1;
                    call = one.next();
                }
                table
            };
            let mut slot = hash(name.as_bytes());
            while TABLE[slot] != 0 {
                let number = TABLE[slot] - 1;
                if Sysno::new(number.into()).is_some_and(|s| s.name() == name) {
                    return Some(number.into());
                }
                slot = (slot + 1) % SLOTS;
            }
            None
        }
    };
}

table!(x86_64);
table!(x86);
table!(aarch64);

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    #[test]
    fn they_are_those_of_the_crate() {
        for call in syscalls::x86_64::Sysno::iter() {
            assert_eq!(super::x86_64(call.name()), Some(call.id() as u32), "{call}");
            let there = syscalls::aarch64::Sysno::from_str(call.name()).ok().map(|s| s.id() as u32);
            assert_eq!(super::aarch64(call.name()), there, "{call}");
        }
        for call in syscalls::x86::Sysno::iter() {
            assert_eq!(super::x86(call.name()), Some(call.id() as u32), "{call}");
        }
        assert_eq!((super::x86_64("no_such_call"), super::x86_64("")), (None, None));
    }
}
