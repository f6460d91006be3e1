//! What can be seen in one Rust file: lengths, ignored tests, and what core must not reach for.

use std::path::Path;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::{
    Attribute, Block, Ident, ImplItemFn, ItemFn, ItemMod, ItemUse, Macro, Signature, TraitItemFn,
    UseTree,
    visit::{self, Visit},
};

use super::{Finding, tree::TextFile};

#[cfg(test)]
mod tests;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// The package that takes time, randomness and storage as arguments.
const PURE_SOURCE: &str = "laterbase-core/src";

/// What its code does not touch; clippy.toml there bans the functions and types one by one.
const IMPURE: [&str; 8] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.lines().count();
    if lines > FILE_LINES_MAX {
        let reason = format!("{lines} lines in a file, more than {FILE_LINES_MAX}");
        findings.push(Finding::new(&file.path, FILE_LINES_MAX + 1, reason));
    }
    match syn::parse_file(&file.text) {
        Ok(syntax) => {
            let pure = file.path.starts_with(PURE_SOURCE) && !is_test(&file.path);
            let mut reader = Reader { path: &file.path, pure, findings };
            reader.visit_file(&syntax);
            reader.findings
        }
        Err(error) => {
            let line = error.span().start().line;
            findings.push(Finding::new(&file.path, line, format!("does not parse: {error}")));
            findings
        }
    }
}

/// True for `…/tests.rs` and everything in a folder `tests`.
fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

struct Reader<'a> {
    path: &'a Path,
    /// Whether the rules of [`PURE_SOURCE`] hold.
    pure: bool,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn find(&mut self, span: Span, reason: String) {
        self.findings.push(Finding::new(self.path, span.start().line, reason));
    }

    /// Counts from the line of `fn` to the closing brace.
    fn check_length(&mut self, signature: &Signature, block: &Block) {
        let start = signature.fn_token.span.start().line;
        let lines = block.brace_token.span.close().end().line + 1 - start;
        if lines > FUNCTION_LINES_MAX {
            let name = &signature.ident;
            let reason = format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}");
            self.find(signature.fn_token.span, reason);
        }
    }

    fn check_purity(&mut self, span: Span, path: &str) {
        let reaches = |banned: &str| {
            path.strip_prefix(banned).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if self.pure && IMPURE.into_iter().any(reaches) {
            self.find(span, format!("`{path}` in core, which does no I/O and has no clock"));
        }
    }

    /// Follows `use std::{fs, net::TcpStream}` down to its leaves.
    fn check_use(&mut self, tree: &UseTree, prefix: &str) {
        let join = |ident: &Ident| {
            if prefix.is_empty() { ident.to_string() } else { format!("{prefix}::{ident}") }
        };
        match tree {
            UseTree::Path(path) => self.check_use(&path.tree, &join(&path.ident)),
            UseTree::Name(name) => self.check_purity(name.ident.span(), &join(&name.ident)),
            UseTree::Rename(name) => self.check_purity(name.ident.span(), &join(&name.ident)),
            UseTree::Glob(glob) => self.check_purity(glob.star_token.spans[0], prefix),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.check_use(tree, prefix);
                }
            }
        }
    }

    /// Finds `#[ignore]` in the arguments of a macro, where tests are written too.
    fn check_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            let TokenTree::Group(group) = token else { continue };
            let first = group.stream().into_iter().next();
            let ignores = matches!(first, Some(TokenTree::Ident(name)) if name == "ignore");
            if group.delimiter() == Delimiter::Bracket && ignores {
                self.find_ignore(group.span());
            }
            self.check_tokens(group.stream());
        }
    }

    fn find_ignore(&mut self, span: Span) {
        self.find(span, "an ignored test: a test runs or goes".to_owned());
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.check_length(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.check_length(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.check_length(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("ignore") {
            self.find_ignore(attribute.pound_token.spans[0]);
        }
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        self.check_tokens(invocation.tokens.clone());
        visit::visit_macro(self, invocation);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.check_use(&item.tree, "");
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.check_purity(first.ident.span(), &names.join("::"));
        }
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let pure = self.pure;
        self.pure &= !module.attrs.iter().any(is_cfg_test);
        visit::visit_item_mod(self, module);
        self.pure = pure;
    }
}

/// True for `#[cfg(test)]`.
fn is_cfg_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<Ident>().is_ok_and(|condition| condition == "test")
}
