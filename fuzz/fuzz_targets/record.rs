#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (laterbase_testkit::fuzzing::target("record").body)(
    bytes
));
