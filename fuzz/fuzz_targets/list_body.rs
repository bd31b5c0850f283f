//! A whole answer of the list call; see `synapsor_fuzz_targets::list_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| synapsor_fuzz_targets::list_body(data));
