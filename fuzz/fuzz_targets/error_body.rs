//! Status, headers and body of a call that failed; see `synapsor_fuzz_targets::error_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| synapsor_fuzz_targets::error_body(data));
