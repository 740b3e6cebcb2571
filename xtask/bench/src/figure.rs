//! What is measured of a system under a load.

/// A figure, in the unit that its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    CpuPerDelivery,
    P50,
    P99,
    DeliveriesPerSecond,
    CpuPerPost,
    CpuPerConnect,
    KilobytesPerReader,
    /// Memory that a reader takes up who stands still.
    HeldBytes,
    /// Of a minute.
    CpuPerMinute,
    /// 1 if the object of a silent room was not in memory any more.
    Slept,
    /// CPU per delivery with many readers, by that with few.
    GrowthReaders,
    /// CPU per delivery with many messages, by that with few.
    GrowthMessages,
    /// Until all readers are live again.
    LiveAgain,
    /// Requests to the object of the room.
    ObjectRequests,
}

impl Figure {
    pub const ALL: [Self; 14] = [
        Self::CpuPerDelivery,
        Self::P50,
        Self::P99,
        Self::DeliveriesPerSecond,
        Self::CpuPerPost,
        Self::CpuPerConnect,
        Self::KilobytesPerReader,
        Self::HeldBytes,
        Self::CpuPerMinute,
        Self::Slept,
        Self::GrowthReaders,
        Self::GrowthMessages,
        Self::LiveAgain,
        Self::ObjectRequests,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuPerDelivery => "cpu_us_per_delivery",
            Self::P50 => "p50_ms",
            Self::P99 => "p99_ms",
            Self::DeliveriesPerSecond => "deliveries_per_s",
            Self::CpuPerPost => "cpu_us_per_post",
            Self::CpuPerConnect => "cpu_us_per_connect",
            Self::KilobytesPerReader => "kb_per_reader",
            Self::HeldBytes => "held_bytes",
            Self::CpuPerMinute => "cpu_ms_per_minute",
            Self::Slept => "slept",
            Self::GrowthReaders => "growth_readers",
            Self::GrowthMessages => "growth_messages",
            Self::LiveAgain => "live_again_ms",
            Self::ObjectRequests => "object_requests",
        }
    }

    /// How it is written for people: three digits that mean something.
    pub fn show(value: f64) -> String {
        match value.abs() {
            small if small < 9.995 => format!("{value:.2}"),
            middle if middle < 99.95 => format!("{value:.1}"),
            _ => {
                let whole = format!("{:.0}", value.abs());
                let (sign, mut groups) = (if value < 0.0 { "-" } else { "" }, Vec::new());
                let mut rest = whole.as_str();
                while rest.len() > 3 {
                    let (head, group) = rest.split_at(rest.len() - 3);
                    groups.insert(0, group);
                    rest = head;
                }
                groups.insert(0, rest);
                format!("{sign}{}", groups.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Figure;

    #[test]
    fn a_number_is_shown_by_what_it_says() {
        for (value, shown) in [
            (0.0, "0.00"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (99.96, "100"),
            (1_234.5, "1,234"),
            (-1_234_567.0, "-1,234,567"),
        ] {
            assert_eq!(Figure::show(value), shown);
        }
    }
}
