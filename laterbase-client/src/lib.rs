//! The Laterbase client: record events where they happen, sync them when there is a network.
//!
//! A [`device::Device`] is a replica on this machine, which takes events without asking anybody.
//! [`sync::sync`] brings it and a server together, over any [`transport::Transport`].
//! [`client::Client`] calls a server's routes without keeping anything here. [`transfer`] carries
//! events in delta files where no network goes.
//!
//! Typed events and states go by [`Device::append`](device::Device::append) and
//! [`Device::aggregate`](device::Device::aggregate), and by
//! [`Client::append`](client::Client::append) and [`Client::aggregate`](client::Client::aggregate)
//! at a server, in the same words: [`laterbase_core::typed`].
//!
//! The feature `cli` is the command `laterbase`, and `lmdb` is what a device's directory is on; a
//! library without them links neither.
//!
//! ```no_run
//! use laterbase_client::client::Client;
//! use laterbase_client::device::{Device, DeviceOptions};
//! use laterbase_client::sync::{SyncOptions, sync};
//! use laterbase_client::transport::HttpTransport;
//! use laterbase_core::event::Record;
//! use laterbase_core::id::RootName;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::open("./truck-7".as_ref(), DeviceOptions::default())?;
//! let mut batch = device.batch(&RootName::new("shipment")?);
//! batch.push(&Record::json("S1", "Departed", r#"{"from":"Lagos"}"#))?;
//! device.record(&batch)?;
//!
//! let client = Client::new("http://127.0.0.1:4920".parse()?, HttpTransport::new()?);
//! let report = sync(&device, &client, &SyncOptions::default(), &mut |_progress| {}).await?;
//! assert_eq!(report.pushed, 1);
//! device.close()?;
//! # Ok(())
//! # }
//! ```

pub mod backup;
pub mod client;
pub mod device;
pub mod engine;
pub mod handover;
pub mod local;
pub mod paged_file;
pub mod peers;
pub mod sync;
pub mod transfer;
pub mod transport;
