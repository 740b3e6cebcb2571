#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ssedge_tests::fuzz::decoder(input));
