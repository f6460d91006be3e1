//! Which events a caller of `/events` takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use laterbase_core::cursor::Cursor;
use laterbase_core::event::Record;
use laterbase_core::fold::Folds;
use laterbase_core::id::RootName;
use laterbase_core::limits::NAME_BYTES_MAX;
use laterbase_core::reader::{ArrivedPage, Following, Order, Reader, VisitArrived, Window};
use laterbase_core::selection::{ANY_PARTITION, RootSelection};

use super::cursor_gone;
use crate::app::App;
use crate::parameters::Parameters;
use crate::problem::{Problem, Result};

/// Most types that a caller may name.
const TYPES_MAX: usize = 100;

/// Which events a caller takes: of the public roots, those that it names, if it names any; of
/// these, those of the types and the aggregate that it names. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Filter(Arc<Named>);

#[derive(Debug)]
struct Named {
    folds: Arc<Folds>,
    roots: RootSelection,
    /// Empty for all.
    types: BTreeSet<String>,
    aggregate: Option<String>,
    window: Window,
}

impl Filter {
    pub(crate) fn of(app: &App, parameters: &Parameters) -> Result<Self> {
        let roots = parameters.roots()?;
        for entry in roots.entries() {
            // A partition is a root like the one that it is of, so the name will do.
            let name = entry.strip_suffix(ANY_PARTITION).unwrap_or(&entry);
            app.public_root(name).map_err(|_no_root| Problem::unknown_root(&entry))?;
        }
        let aggregate = parameters.get("aggregate").map(|id| check_name("aggregate", id));
        let aggregate = aggregate.transpose()?.map(str::to_owned);
        let folds = Arc::clone(app.folds());
        let (types, window) = (types(parameters)?, parameters.window()?);
        Ok(Self(Arc::new(Named { folds, roots, types, aggregate, window })))
    }

    /// Whether the log is read from its end.
    pub(super) fn is_backward(&self) -> bool {
        self.0.window.order == Order::Descending
    }

    /// Visits a page of the events that the caller takes.
    pub(super) fn read(
        &self,
        reader: &Reader,
        after: Option<&Cursor>,
        limit: usize,
        visit: &mut VisitArrived<'_>,
    ) -> Result<ArrivedPage> {
        self.read_in(self.0.window, reader, after, limit, visit)
    }

    /// Visits the last events that the caller takes, the latest first.
    #[cfg(feature = "console")]
    pub(crate) fn read_back(
        &self,
        reader: &Reader,
        limit: usize,
        visit: &mut VisitArrived<'_>,
    ) -> Result<ArrivedPage> {
        let window = Window { order: Order::Descending, ..self.0.window };
        self.read_in(window, reader, None, limit, visit)
    }

    fn read_in(
        &self,
        window: Window,
        reader: &Reader,
        after: Option<&Cursor>,
        limit: usize,
        visit: &mut VisitArrived<'_>,
    ) -> Result<ArrivedPage> {
        let root = |root: &RootName| self.0.takes_root(root);
        let record = |record: &Record<'_>| self.0.takes(record);
        let following = Following { root: &root, record: &record, window, limit };
        reader.arrived(after, &following, visit)?.ok_or_else(cursor_gone)
    }
}

impl Named {
    fn takes_root(&self, root: &RootName) -> bool {
        self.roots.takes(root) && self.folds.knows(root)
    }

    fn takes(&self, record: &Record<'_>) -> bool {
        let is_of = |id: &String| id == record.aggregate_id;
        (self.types.is_empty() || self.types.contains(record.event_type))
            && self.aggregate.as_ref().is_none_or(is_of)
    }
}

/// The types of `types`, which has commas between them, and of each `type`, which may have some
/// within it.
fn types(parameters: &Parameters) -> Result<BTreeSet<String>> {
    let list = parameters.get("types").filter(|list| !list.is_empty());
    let listed = list.into_iter().flat_map(|list| list.split(',')).map(|name| ("types", name));
    let single = parameters.all("type").iter().map(|name| ("type", name.as_str()));
    let mut types = BTreeSet::new();
    for (parameter, name) in listed.chain(single) {
        types.insert(check_name(parameter, name)?.to_owned());
        if types.len() > TYPES_MAX {
            return Err(Problem::parameter(parameter, format!("names more than {TYPES_MAX}")));
        }
    }
    Ok(types)
}

fn check_name<'n>(parameter: &str, name: &'n str) -> Result<&'n str> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Ok(name);
    }
    let detail = format!("a name has 1 to {NAME_BYTES_MAX} bytes");
    Err(Problem::parameter(parameter, detail))
}
