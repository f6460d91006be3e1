use std::collections::BTreeSet;

use super::*;

fn names(map: &Map<String, Value>) -> BTreeSet<&str> {
    map.keys().map(String::as_str).collect()
}

#[test]
fn every_route_is_told_and_nothing_else() {
    let (routes, told) = (declared(), Told::read());
    let declared: BTreeSet<String> = routes
        .iter()
        .flat_map(|route| route.declared.iter().map(|it| format!("{} {}", it.method, route.path)))
        .collect();
    assert_eq!(names(&told.operations), declared.iter().map(String::as_str).collect());
    let ids: BTreeSet<&str> =
        told.operations.values().filter_map(|told| told["operationId"].as_str()).collect();
    assert_eq!(ids.len(), declared.len(), "each has an id of its own");
}

#[test]
fn every_parameter_and_header_is_told_and_nothing_else() {
    let (routes, told) = (declared(), Told::read());
    let mut used = BTreeSet::new();
    for route in &routes {
        for declared in &route.declared {
            let operation = format!("{} {}", declared.method, route.path);
            let headers = told.operations[&operation]["headers"].as_array();
            let headers = headers.into_iter().flatten().filter_map(Value::as_str);
            let mut names: Vec<&str> = path_parameters(route.path).chain(headers).collect();
            for name in declared.allowed.names() {
                names.push(name);
            }
            for name in names {
                let own = format!("{operation} {name}");
                let name = if told.parameters.contains_key(&own) { own } else { name.to_owned() };
                assert!(told.parameters.contains_key(&name), "{name}");
                used.insert(name);
            }
        }
    }
    assert_eq!(names(&told.parameters), used.iter().map(String::as_str).collect());
    let answers = told.operations.values().flat_map(|told| told["answers"].as_object());
    let headers: BTreeSet<&str> = answers
        .flat_map(|answers| answers.values())
        .flat_map(|answer| answer["headers"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(names(&told.headers), headers);
}

#[test]
fn every_kind_of_problem_is_told_of_some_route() {
    assert_eq!(Kind::ALL.len(), Kind::StoreFull as usize + 1);
    for (number, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, number);
    }
    let told = Told::read();
    let mut named: BTreeSet<&str> = ANY_PROBLEMS.into_iter().map(Kind::name).collect();
    for told in told.operations.values() {
        named.extend(told["problems"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }
    assert_eq!(named, Kind::ALL.into_iter().map(Kind::name).collect());
}

/// Every reference leads somewhere, and no schema is left over.
#[test]
fn references_lead_to_schemas() {
    let document = document(&declared(), "/");
    let mut referred = BTreeSet::new();
    collect(&document, &mut referred);
    let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
    let schemas: BTreeSet<&str> = schemas.map(|(name, _)| name.as_str()).collect();
    assert_eq!(referred, schemas);
}

fn collect<'v>(value: &'v Value, referred: &mut BTreeSet<&'v str>) {
    match value {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str);
            referred.extend(name.and_then(|name| name.strip_prefix("#/components/schemas/")));
            members.values().for_each(|member| collect(member, referred));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, referred)),
        _ => {}
    }
}
