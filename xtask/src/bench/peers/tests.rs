use super::number;

#[test]
fn the_number_of_a_version_is_found_in_what_programs_say() {
    let debian = "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n";
    assert_eq!(number(debian).as_deref(), Some("15.14"));
    assert_eq!(number("postgres (PostgreSQL) 17.2\n").as_deref(), Some("17.2"));
    assert_eq!(number("postgres (PostgreSQL)"), None);
}
