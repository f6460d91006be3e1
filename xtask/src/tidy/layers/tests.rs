use super::{CHOICES, Dependency, Package, linked_all_the_same, problems, strangers};

/// Expects a problem, or none, with one dependency of `package`.
#[track_caller]
fn check_dependency(package: &str, dependency: &str, kind: Option<&str>, good: bool) {
    let dependency = Dependency { name: dependency.to_owned(), kind: kind.map(str::to_owned) };
    let package = Package { name: package.to_owned(), dependencies: vec![dependency] };
    assert_eq!(problems(&package).is_empty(), good, "{:?}", problems(&package));
}

#[test]
fn a_package_uses_the_layers_below_it_and_foreign_packages() {
    check_dependency("laterbase-server", "laterbase-core", None, true);
    check_dependency("laterbase-server", "axum", None, true);
    check_dependency("laterbase-benches", "laterbase-store-rocks", None, true);
}

#[test]
fn a_layer_above_or_beside_is_found() {
    check_dependency("laterbase-core", "laterbase-directory", None, false);
    check_dependency("laterbase-store-lmdb", "laterbase-store-rocks", None, false);
    check_dependency("laterbase-client", "laterbase-server", None, false);
    check_dependency("xtask", "laterbase-core", None, false);
}

#[test]
fn what_only_tests_may_use_is_found_elsewhere() {
    check_dependency("laterbase-client", "laterbase-server", Some("dev"), true);
    check_dependency("laterbase-store-lmdb", "laterbase-testkit", Some("dev"), true);
    check_dependency("laterbase-store-lmdb", "laterbase-testkit", None, false);
    check_dependency("laterbase-store-lmdb", "laterbase-testkit", Some("build"), false);
    check_dependency("laterbase-core", "laterbase-testkit", Some("dev"), false);
}

#[test]
fn an_engine_is_known_to_its_store_and_the_benches_only() {
    check_dependency("laterbase-store-lmdb", "heed", None, true);
    check_dependency("laterbase-benches", "heed", None, true);
    check_dependency("laterbase-benches", "rocksdb", Some("dev"), true);
    check_dependency("laterbase-store-rocks", "heed", None, false);
    check_dependency("laterbase-server", "rocksdb", None, false);
    check_dependency("laterbase-testkit", "heed", Some("dev"), false);
}

#[test]
fn a_package_without_a_layer_is_found() {
    check_dependency("laterbase-extra", "serde", None, false);
}

#[test]
fn core_is_built_from_the_listed_packages_only() {
    let tree = "laterbase-core v0.1.0 (/x)\nserde v1.0.0\nserde v1.0.0 (*)\n\n";
    assert_eq!(strangers(tree), []);
    let found = strangers(&format!("{tree}tokio v1.0.0\nmio v1.0.0\ntokio v1.0.0 (*)\n"));
    let names: Vec<_> = found.iter().map(|problem| problem.dependency.as_str()).collect();
    assert_eq!(names, ["mio", "tokio"]);
}

#[test]
fn what_a_choice_of_features_must_not_link_is_found() {
    let client = &CHOICES[0];
    let tree = "laterbase-client v0.1.0 (/x)\ntokio v1.0.0\nclap_lex v1.0.0\n";
    assert_eq!(linked_all_the_same(client, tree), []);
    let found = linked_all_the_same(client, &format!("{tree}clap v4.0.0\nheed v0.23.0 (*)\n"));
    let names: Vec<_> = found.iter().map(|problem| problem.dependency.as_str()).collect();
    assert_eq!(names, ["clap", "heed"]);
}
