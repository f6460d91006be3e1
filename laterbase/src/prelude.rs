//! What most programs name: `use laterbase::prelude::*`.

pub use laterbase_core::event::Event;
pub use laterbase_core::fold::{Aggregate, FoldError, Folds, Refusal};
pub use laterbase_core::id::{EventId, RootName};
pub use laterbase_core::time::{format_time, parse_time};
pub use laterbase_core::typed::{AggregateAt, Append, At, Fact, Recorded};

#[cfg(feature = "client")]
pub use laterbase_client::{
    client::Client,
    device::{Device, DeviceOptions},
    sync::{SyncOptions, sync},
    transport::HttpTransport,
};
#[cfg(feature = "server")]
pub use laterbase_server::{Server, ServerHandle};
