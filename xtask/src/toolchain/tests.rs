#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use super::{Packages, Tool, advice, holds_libclang, is_libclang};

#[test]
fn libclang_is_known_by_all_the_names_systems_give_it() {
    for name in [
        "libclang.so",
        "libclang.so.14",
        "libclang-14.so",
        "libclang-14.so.1",
        "libclang-14.0.6.so",
        "libclang-14.so.14.0.6",
        "libclang.dylib",
    ] {
        assert!(is_libclang(Path::new(name)), "{name}");
    }
    for name in ["libclang-cpp.so.14", "libclangAST.a", "libclang.a", "libclang", "liblz4.so"] {
        assert!(!is_libclang(Path::new(name)), "{name}");
    }
}

#[test]
fn libclang_is_found_two_folders_down_and_no_deeper() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("llvm-14/lib");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("libclang-cpp.so.14"), "").unwrap();
    assert!(!holds_libclang(root.path(), 2));
    fs::write(folder.join("libclang.so.1"), "").unwrap();
    assert!(holds_libclang(root.path(), 2));
    assert!(!holds_libclang(root.path(), 1));
    assert!(holds_libclang(&folder.join("libclang.so.1"), 0));
}

#[test]
fn a_folder_that_is_not_there_holds_nothing() {
    assert!(!holds_libclang(Path::new("/nowhere/at/all"), 2));
    assert!(!holds_libclang(Path::new("/nowhere/libclang.so"), 2));
}

#[test]
fn the_advice_names_the_command_for_each_system() {
    let both = [Tool::Compiler, Tool::Libclang];
    assert!(advice(&both, Packages::Apt).contains("apt-get install --yes g++ libclang-dev"));
    assert!(advice(&both, Packages::Dnf).contains("dnf install --assumeyes gcc-c++ clang-devel"));
    assert!(advice(&both, Packages::Xcode).contains("xcode-select --install"));
    let one = advice(&[Tool::Libclang], Packages::Apt);
    assert!(one.ends_with("install --yes libclang-dev"), "{one}");
}
