//! The latency monitor: when something that holds up everybody took long, and how long.
//!
//! Each class of event keeps the worst of each of the last 160 seconds in which it occurred, as
//! Redis does. Nothing is kept while `latency-monitor-threshold` is 0.

use super::{Command, Engine};
use crate::spec::FAST;
use std::collections::VecDeque;

/// So many seconds of a class are remembered.
const SAMPLES_MAX: usize = 160;

/// What was remembered, by class of event, in the order in which they first occurred.
#[derive(Default)]
pub struct LatencyMonitor {
    pub series: Vec<Series>,
}

/// The events of one class.
pub struct Series {
    pub event: &'static str,
    /// Oldest first; never empty.
    pub samples: VecDeque<Sample>,
    /// Of all events, also those that are forgotten; in milliseconds.
    pub max_ms: u64,
    pub sum_ms: u64,
    pub count: u64,
}

/// The worst event of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Seconds since 1970.
    pub time: i64,
    pub ms: u64,
}

/// What can be said of the samples of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub samples: usize,
    pub min_ms: u64,
    pub max_ms: u64,
    pub average_ms: u64,
    /// How far the samples are from the average, on average.
    pub deviation_ms: u64,
    /// Seconds since the oldest one, at least one.
    pub span_seconds: u64,
}

impl LatencyMonitor {
    pub fn add(&mut self, event: &'static str, time: i64, ms: u64) {
        let series = match self.series.iter().position(|series| series.event == event) {
            Some(place) => &mut self.series[place],
            None => {
                self.series.push(Series::new(event));
                self.series.last_mut().expect("one was just added")
            }
        };
        series.add(time, ms);
    }

    /// The events of a class; letters of any case.
    pub fn of(&self, event: &[u8]) -> Option<&Series> {
        self.series.iter().find(|series| series.event.as_bytes().eq_ignore_ascii_case(event))
    }

    /// Forgets a class, or with `None` all of them; says how many were forgotten.
    pub fn reset(&mut self, event: Option<&[u8]>) -> usize {
        let before = self.series.len();
        self.series.retain(|series| {
            event.is_some_and(|event| !series.event.as_bytes().eq_ignore_ascii_case(event))
        });
        before - self.series.len()
    }
}

impl Series {
    fn new(event: &'static str) -> Series {
        Series { event, samples: VecDeque::new(), max_ms: 0, sum_ms: 0, count: 0 }
    }

    fn add(&mut self, time: i64, ms: u64) {
        self.max_ms = self.max_ms.max(ms);
        self.sum_ms += ms;
        self.count += 1;
        match self.samples.back_mut() {
            Some(last) if last.time == time => last.ms = last.ms.max(ms),
            _ => {
                if self.samples.len() == SAMPLES_MAX {
                    self.samples.pop_front();
                }
                self.samples.push_back(Sample { time, ms });
            }
        }
    }

    pub fn latest(&self) -> Sample {
        *self.samples.back().expect("a series begins with its first sample")
    }

    pub fn summary(&self, now_seconds: i64) -> Summary {
        let all = || self.samples.iter().map(|sample| sample.ms);
        let samples = self.samples.len();
        let average_ms = all().sum::<u64>() / samples.max(1) as u64;
        let deviation: u64 = all().map(|ms| ms.abs_diff(average_ms)).sum();
        let oldest = self.samples.iter().map(|sample| sample.time).min().unwrap_or(now_seconds);
        Summary {
            samples,
            min_ms: all().min().unwrap_or(0),
            max_ms: all().max().unwrap_or(0),
            average_ms,
            deviation_ms: deviation / samples.max(1) as u64,
            span_seconds: now_seconds.saturating_sub(oldest).max(1) as u64,
        }
    }
}

impl Engine {
    /// A command ran for so long.
    #[inline]
    pub(super) fn watch_latency_of(&mut self, command: &Command, micros: u64) {
        self.watch_latency(if command.spec.has(FAST) { "fast-command" } else { "command" }, micros);
    }

    /// Something took so long; it is remembered if that is too long.
    #[inline]
    pub fn watch_latency(&mut self, event: &'static str, micros: u64) {
        let threshold_ms = self.config.latency_monitor_threshold;
        if threshold_ms > 0 && micros / 1000 >= threshold_ms {
            self.latency_monitor.add(event, self.now_seconds(), micros / 1000);
        }
    }

    /// Seconds since 1970.
    pub fn now_seconds(&self) -> i64 {
        self.now.wall_us.div_euclid(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_keeps_its_worst_and_the_oldest_seconds_are_forgotten() {
        let mut monitor = LatencyMonitor::default();
        for (time, ms) in [(10, 300), (10, 200), (11, 100), (11, 400)] {
            monitor.add("command", time, ms);
        }
        let series = monitor.of(b"COMMAND").unwrap();
        assert_eq!((series.max_ms, series.sum_ms, series.count), (400, 1000, 4));
        let samples: Vec<_> =
            series.samples.iter().map(|sample| (sample.time, sample.ms)).collect();
        assert_eq!(samples, [(10, 300), (11, 400)]);
        assert_eq!(
            series.summary(15),
            Summary {
                samples: 2,
                min_ms: 300,
                max_ms: 400,
                average_ms: 350,
                deviation_ms: 50,
                span_seconds: 5
            }
        );
        (12..1000).for_each(|time| monitor.add("command", time, 1));
        let series = monitor.of(b"command").unwrap();
        assert_eq!((series.samples.len(), series.max_ms), (SAMPLES_MAX, 400));
        assert_eq!(series.latest(), Sample { time: 999, ms: 1 });
    }

    #[test]
    fn classes_are_forgotten_by_name_or_all_together() {
        let mut monitor = LatencyMonitor::default();
        for event in ["command", "fast-command", "expire-cycle"] {
            monitor.add(event, 1, 1);
        }
        assert_eq!(monitor.reset(Some(b"nosuch")), 0);
        assert_eq!(monitor.reset(Some(b"Fast-Command")), 1);
        assert_eq!(monitor.reset(None), 2);
        assert!(monitor.series.is_empty());
    }
}
