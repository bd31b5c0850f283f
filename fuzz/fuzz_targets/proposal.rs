//! One element of the list; see `synapsor_fuzz_targets::proposal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| synapsor_fuzz_targets::proposal(data));
