//! The page of metrics that is being written.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::meters::Histogram;

const NANOS_PER_SECOND: f64 = 1e9;

/// Labels and their values.
type Labelled<const N: usize> = [(&'static str, String); N];

pub(super) struct Page<'e>(pub DescriptorEncoder<'e>);

impl Page<'_> {
    pub(super) fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: u64,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// A value for each set of labels.
    pub(super) fn gauge_family<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        names: [&'static str; N],
        values: impl Iterator<Item = ([&'v str; N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in values {
            family.encode_family(&labelled(names, labels))?.encode_gauge(&value)?;
        }
        Ok(())
    }

    pub(super) fn counter_family<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        names: [&'static str; N],
        values: impl Iterator<Item = ([&'v str; N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            let labels = labelled(names, labels);
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// Times, in seconds.
    pub(super) fn times(&mut self, name: &str, help: &str, times: &Histogram) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let metric = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        write(metric, times, NANOS_PER_SECOND)
    }

    /// Numbers of something.
    pub(super) fn counts(&mut self, name: &str, help: &str, counts: &Histogram) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        write(metric, counts, 1.0)
    }

    /// Times for each set of labels that there were any for.
    pub(super) fn time_family<'v, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        names: [&'static str; N],
        cells: impl Iterator<Item = ([&'static str; N], &'v Histogram)>,
    ) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (labels, times) in cells.filter(|(_, times)| times.count() > 0) {
            write(family.encode_family(&labelled(names, labels))?, times, NANOS_PER_SECOND)?;
        }
        Ok(())
    }
}

fn labelled<const N: usize>(names: [&'static str; N], values: [&str; N]) -> Labelled<N> {
    let mut values = values.into_iter();
    names.map(|name| (name, values.next().unwrap_or_default().to_owned()))
}

/// Writes what was observed, in a unit that is so many of those it was observed in.
fn write(mut metric: MetricEncoder<'_>, observed: &Histogram, per_unit: f64) -> fmt::Result {
    let buckets: Vec<(f64, u64)> = observed
        .buckets()
        .map(|(bound, count)| (bound.map_or(f64::MAX, |bound| bound as f64 / per_unit), count))
        .collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    let sum = observed.sum() as f64 / per_unit;
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}
