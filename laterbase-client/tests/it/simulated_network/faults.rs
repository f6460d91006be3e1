//! What can happen to links and hosts, and how it ends.

use super::site::DEPOT;
use super::world::World;

/// Something that is broken for a while.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Nothing gets through between the depot and a host.
    Cut(String),
    /// Nothing gets through to the depot from a host, while its answers do.
    Deaf(String),
    /// Nothing gets through from the depot to a host, while it hears all.
    Mute(String),
    /// What is sent between the depot and a host is held back, in both directions, and comes in
    /// the end, all at once.
    Held(String),
    /// The same for what the depot sends; what is sent to it comes.
    HeldAnswers(String),
    /// Some messages are lost between the depot and a host, and those that follow for a while.
    Lossy(String),
    /// The depot loses power. The other side hears of it, as if only the process had died.
    DepotDies,
    /// The depot loses power, and nobody hears of it.
    DepotVanishes,
    /// The depot's server is told to stop.
    DepotStops,
    /// A truck's device loses power.
    TruckDies(usize),
    /// A truck's device loses power, and the depot does not hear of it.
    TruckVanishes(usize),
}

/// One message in so many starts a time of loss, in parts of one.
const LOSS: f64 = 0.05;

impl Fault {
    /// Whether two faults would get into each other's way.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        self.is_of_depot() && other.is_of_depot()
            || self.link() == other.link()
            || (matches!(self, Self::DepotVanishes) || matches!(other, Self::DepotVanishes))
    }

    fn is_of_depot(&self) -> bool {
        matches!(self, Self::DepotDies | Self::DepotVanishes | Self::DepotStops)
    }

    /// The host at the other end of the link that is at fault.
    fn link(&self) -> String {
        match self {
            Self::Cut(host)
            | Self::Deaf(host)
            | Self::Mute(host)
            | Self::Held(host)
            | Self::HeldAnswers(host)
            | Self::Lossy(host) => host.clone(),
            Self::TruckDies(number) | Self::TruckVanishes(number) => format!("truck-{number}"),
            Self::DepotDies | Self::DepotVanishes | Self::DepotStops => DEPOT.to_owned(),
        }
    }

    pub(super) fn begin(&self, world: &mut World) {
        let sim = &mut world.sim;
        match self {
            Self::Cut(host) => sim.partition(DEPOT, host.as_str()),
            Self::Deaf(host) => sim.partition_oneway(host.as_str(), DEPOT),
            Self::Mute(host) => sim.partition_oneway(DEPOT, host.as_str()),
            Self::Held(host) | Self::HeldAnswers(host) => sim.hold(DEPOT, host.as_str()),
            Self::Lossy(host) => sim.set_link_fail_rate(DEPOT, host.as_str(), LOSS),
            Self::DepotDies => world.crash_depot(),
            Self::DepotVanishes => {
                world.others().iter().for_each(|host| world.sim.partition(DEPOT, host.as_str()));
                world.crash_depot();
            }
            Self::DepotStops => {
                // Another fault may just have started it.
                world.run_until("the depot runs", |world| world.depot.reader().is_some());
                world.depot.stop();
            }
            Self::TruckDies(number) => world.crash_truck(*number),
            Self::TruckVanishes(number) => {
                world.sim.partition(DEPOT, self.link());
                world.crash_truck(*number);
            }
        }
    }

    /// To be called before every step for as long as it lasts.
    pub(super) fn go_on(&self, world: &World) {
        if let Self::HeldAnswers(host) = self {
            let host = world.sim.lookup(host.as_str());
            world.sim.links(|links| {
                for sent in links.flatten().filter(|sent| sent.pair().0.ip() == host) {
                    sent.deliver();
                }
            });
        }
    }

    pub(super) fn end(&self, world: &mut World) {
        match self {
            Self::Cut(host) | Self::Deaf(host) | Self::Mute(host) => {
                world.sim.repair(DEPOT, host.as_str());
            }
            Self::Held(host) | Self::HeldAnswers(host) => world.sim.release(DEPOT, host.as_str()),
            Self::Lossy(host) => {
                world.sim.set_link_fail_rate(DEPOT, host.as_str(), 0.0);
                world.sim.repair(DEPOT, host.as_str());
            }
            Self::DepotDies => world.start(DEPOT),
            Self::DepotVanishes => {
                world.others().iter().for_each(|host| world.sim.repair(DEPOT, host.as_str()));
                world.start(DEPOT);
            }
            Self::DepotStops => {
                world.run_until("the depot stops", |world| world.depot.reader().is_none());
                world.step();
                world.start(DEPOT);
            }
            Self::TruckDies(_) => world.start(&self.link()),
            Self::TruckVanishes(_) => {
                world.sim.repair(DEPOT, self.link());
                world.start(&self.link());
            }
        }
    }
}
