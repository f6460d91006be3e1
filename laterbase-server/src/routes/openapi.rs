//! `GET /openapi.json`: the routes as an OpenAPI 3.1 document, for those who generate clients.
//!
//! Paths, methods and parameters are those of the declared routes, and problems have the statuses
//! that they are sent with, so neither can be told wrongly. What is said about them is in the files
//! beside this one; a route, a parameter or a kind of problem about which they say nothing fails a
//! test.

use std::sync::OnceLock;

use axum::extract::OriginalUri;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::table::Route;
use super::{base, declared, table::Declared};
use crate::problem::{Kind, PROBLEM};
use crate::wire::{self, JSON};

const OPERATIONS: &str = include_str!("openapi/operations.json");
const PARAMETERS: &str = include_str!("openapi/parameters.json");
const HEADERS: &str = include_str!("openapi/headers.json");
const SCHEMAS: &str = include_str!("openapi/schemas.json");

/// What any request may be answered, whatever it asks for.
const ANY_PROBLEMS: [Kind; 9] = [
    Kind::MalformedParameter,
    Kind::ForeignOrigin,
    Kind::MethodNotAllowed,
    Kind::UriTooLong,
    Kind::UnknownHost,
    Kind::HeadTooLarge,
    Kind::UnknownRoute,
    Kind::Internal,
    Kind::Busy,
];

/// `GET /openapi.json`
pub(super) async fn read(OriginalUri(asked): OriginalUri, own: Uri) -> Response {
    static DOCUMENT: OnceLock<Vec<u8>> = OnceLock::new();
    let written = |base: &str| document(&declared(), base).to_string().into_bytes();
    // The routes may be nested in a service, under a path with parameters of its own.
    let bytes = match base(asked.path(), own.path()) {
        "" => DOCUMENT.get_or_init(|| written("/")).clone(),
        base => written(base),
    };
    wire::respond(StatusCode::OK, JSON, bytes)
}

/// The document about some routes, which are at a path.
pub(super) fn document(routes: &[Route], base: &str) -> Value {
    let told = Told::read();
    let path = |route: &Route| {
        let operations = route.declared.iter().map(|declared| {
            let method = declared.method.as_str().to_lowercase();
            (method, told.operation(route.path, declared))
        });
        (route.path.to_owned(), Value::Object(operations.collect()))
    };
    let mut schemas = told.schemas.clone();
    let types: Vec<String> = Kind::ALL.into_iter().map(Kind::uri).collect();
    schemas.insert("ProblemType".to_owned(), json!({ "enum": types }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Laterbase",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "An offline-first, multi-master, bitemporal event store",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": base }],
        "paths": routes.iter().map(path).collect::<Map<String, Value>>(),
        "components": { "schemas": schemas },
    })
}

/// What the files say.
struct Told {
    operations: Map<String, Value>,
    parameters: Map<String, Value>,
    headers: Map<String, Value>,
    schemas: Map<String, Value>,
}

impl Told {
    fn read() -> Self {
        let object = |text| serde_json::from_str(text).expect("a test has read the file");
        Self {
            operations: object(OPERATIONS),
            parameters: object(PARAMETERS),
            headers: object(HEADERS),
            schemas: object(SCHEMAS),
        }
    }

    fn operation(&self, path: &str, declared: &Declared) -> Value {
        let key = format!("{} {path}", declared.method);
        let told = &self.operations[&key];
        let of_list = |name: &str| -> Vec<&str> {
            told[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let in_path = path_parameters(path).map(|name| (name, "path"));
        let in_query = declared.allowed.names().map(|name| (name, "query"));
        let in_header = of_list("headers").into_iter().map(|name| (name, "header"));
        let parameters = in_path.chain(in_query).chain(in_header);
        let mut operation = Map::new();
        for member in ["operationId", "tags", "summary"] {
            operation.insert(member.to_owned(), told[member].clone());
        }
        let parameters = parameters.map(|(name, place)| {
            let is_list = place == "query" && declared.allowed.is_repeated(name);
            self.parameter(&key, (name, place), is_list)
        });
        operation.insert("parameters".to_owned(), parameters.collect());
        if let Some(body) = told.get("requestBody") {
            operation.insert("requestBody".to_owned(), body.clone());
        }
        let mut responses = self.answers(&told["answers"]);
        responses.extend(problems(&of_list("problems")));
        operation.insert("responses".to_owned(), Value::Object(responses));
        Value::Object(operation)
    }

    fn parameter(&self, operation: &str, (name, place): (&str, &str), is_list: bool) -> Value {
        let own = self.parameters.get(&format!("{operation} {name}"));
        let told = own.unwrap_or(&self.parameters[name]);
        let mut schema = told["schema"].clone();
        if is_list {
            schema = json!({ "type": "array", "items": schema });
        }
        json!({
            "name": name,
            "in": place,
            "required": place == "path",
            "description": told["description"],
            "schema": schema,
        })
    }

    /// The answers that are no problems, with the headers that they have.
    fn answers(&self, answers: &Value) -> Map<String, Value> {
        let with_headers = |(status, answer): (&String, &Value)| {
            let mut answer = answer.clone();
            let names = answer["headers"].take();
            let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
            let header = |name: &str| (name.to_owned(), self.headers[name].clone());
            answer["headers"] = Value::Object(names.map(header).collect());
            (status.clone(), answer)
        };
        answers.as_object().into_iter().flatten().map(with_headers).collect()
    }
}

/// The kinds of problems that an operation answers with, by their status.
fn problems(names: &[&str]) -> Map<String, Value> {
    let is_told = |kind: &Kind| names.contains(&kind.name()) || ANY_PROBLEMS.contains(kind);
    let mut responses: Map<String, Value> = Map::new();
    for kind in Kind::ALL.into_iter().filter(is_told) {
        let response = responses.entry(kind.status().as_str()).or_insert_with(|| {
            let schema = json!({ "$ref": "#/components/schemas/Problem" });
            json!({ "description": "", "content": { PROBLEM: { "schema": schema } } })
        });
        let told = response["description"].as_str().unwrap_or_default();
        let comma = if told.is_empty() { "" } else { "; " };
        response["description"] = format!("{told}{comma}{}: {}", kind.name(), kind.title()).into();
    }
    responses
}

/// The names between braces.
fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

#[cfg(test)]
mod tests;
