//! Settings of the server: what its file and its flags say becomes what was checked, once, here.
//!
//! `config/serve.toml` shows every key. Flags win over the file.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use toml::Value;
use wane::events::parse_days;
use wane_encode::{PretrainedSettings, Template};
use wane_serve::{Durability, Key, KeyMark, Limits, MOST_EVENTS, MOST_ITEMS, Roles, Settings, TlsFiles};

use crate::args::{DurabilityName, LogFormat, LogLevel, Serve};
use crate::texts::TextSettings;

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    listen: Option<String>,
    durability: Option<DurabilityName>,
    retain: Option<String>,
    tls: Option<WrittenTls>,
    limits: WrittenLimits,
    interests: WrittenInterests,
    encoder: WrittenEncoder,
    log: WrittenLog,
    keys: Vec<WrittenKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenLimits {
    body: Option<Value>,
    batch: Option<i64>,
    k: Option<i64>,
    connections: Option<i64>,
    header: Option<Value>,
    timeout: Option<String>,
    idle: Option<String>,
    rate: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenInterests {
    at_start: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenEncoder {
    path: Option<PathBuf>,
    template: Option<String>,
    int8: bool,
    layers: Option<usize>,
    prefix: Option<String>,
    max_tokens: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenLog {
    level: Option<LogLevel>,
    format: Option<LogFormat>,
    users: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    name: String,
    roles: Vec<String>,
    sha256: String,
    rate: Option<f64>,
}

/// What was checked.
#[derive(Debug, PartialEq)]
pub(crate) struct ServeConfig {
    pub(crate) settings: Settings,
    pub(crate) texts: TextSettings,
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
}

impl ServeConfig {
    /// Reads the file, if one is named, and puts the flags over it.
    pub(crate) fn load(args: &Serve) -> Result<Self> {
        let Some(path) = &args.config else { return checked(Written::default(), Path::new(""), args) };
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let written = toml::from_str(&text)
            .with_context(|| format!("{}: see config/serve.toml for what may be written", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        checked(written, folder, args).with_context(|| path.display().to_string())
    }

    /// All of it in one line, without secrets.
    pub(crate) fn say(&self) {
        let Settings { listen, durability, retain, tls, limits, interests_at_start, log_users, keys } =
            &self.settings;
        let certificate = tls.as_ref().map(|tls| tls.certificate.display().to_string());
        let key = |key: &Key| match key.rate {
            Some(rate) => format!("{} ({}, {rate}/s)", key.name, key.roles),
            None => format!("{} ({})", key.name, key.roles),
        };
        let keys = keys.iter().map(key).collect::<Vec<_>>().join(", ");
        let encoder = self.texts.path.as_ref().map(|path| path.display().to_string());
        let Limits { body, batch, k, connections, header, timeout, idle, rate } = limits;
        tracing::info!(
            %listen, ?durability, retain_days = retain, certificate, body, batch, k, connections, header, ?timeout, ?idle, rate,
            interests_at_start, encoder, level = ?self.level, format = ?self.format, log_users, keys, "settings"
        );
        if keys.is_empty() {
            tracing::info!("no keys: this machine alone may ask, and anything");
        } else if tls.is_none() && !listen.ip().is_loopback() {
            tracing::warn!(
                "keys and users' events travel in the clear: set [tls], or put a proxy before this that does"
            );
        }
    }
}

/// The one way from what was written to what is meant.
fn checked(written: Written, folder: &Path, args: &Serve) -> Result<ServeConfig> {
    let usual = Settings::default();
    let listen = match (&args.listen, &written.listen) {
        (Some(flag), _) => address("--listen", flag)?,
        (None, Some(text)) => address("listen", text)?,
        (None, None) => usual.listen,
    };
    let durability = match args.durability.or(written.durability) {
        Some(DurabilityName::Fsync) => Durability::Fsync,
        Some(DurabilityName::Os) => Durability::Os,
        None => usual.durability,
    };
    let retain = match (&args.retain, &written.retain) {
        (Some(flag), _) => Some(parse_days("--retain", flag)?),
        (None, Some(text)) => Some(parse_days("retain", text)?),
        (None, None) => usual.retain,
    };
    // Beside the file, wherever the server was started.
    let tls = written
        .tls
        .map(|tls| TlsFiles { certificate: folder.join(tls.certificate), key: folder.join(tls.key) });
    Ok(ServeConfig {
        settings: Settings {
            listen,
            durability,
            retain,
            tls,
            limits: limits(&written.limits)?,
            interests_at_start: written.interests.at_start,
            log_users: written.log.users,
            keys: keys(written.keys)?,
        },
        texts: texts(written.encoder, folder, args)?,
        level: args.log.or(written.log.level).unwrap_or(LogLevel::Info),
        format: args.log_format.or(written.log.format).unwrap_or(LogFormat::Text),
    })
}

fn texts(written: WrittenEncoder, folder: &Path, args: &Serve) -> Result<TextSettings> {
    let WrittenEncoder { path, template, int8, layers, prefix, max_tokens } = written;
    // A name of the hub's is no path beside the file.
    let beside = |path: PathBuf| {
        let beside = folder.join(&path);
        if beside.exists() { beside } else { path }
    };
    let path = args.encoder.clone().or_else(|| path.map(beside));
    let pretrained = PretrainedSettings { int8, layers, prefix, max_tokens };
    ensure!(
        path.is_some() || pretrained == PretrainedSettings::default(),
        "encoder: int8, layers, prefix and max_tokens are of a pretrained encoder; name it with path"
    );
    let template = template.as_deref().map(Template::parse).transpose().context("encoder.template")?;
    Ok(TextSettings { path, template, pretrained })
}

fn limits(written: &WrittenLimits) -> Result<Limits> {
    let usual = Limits::default();
    let count = |key: &str, written: Option<i64>, most: usize, usual: usize| match written {
        None => Ok(usual),
        Some(value) => match usize::try_from(value) {
            Ok(count) if (1..=most).contains(&count) => Ok(count),
            _ => bail!("limits.{key}: expected 1 to {most}, got {value}"),
        },
    };
    Ok(Limits {
        body: bytes("limits.body", written.body.as_ref(), (1 << 10, 1 << 30), usual.body)?,
        batch: count("batch", written.batch, MOST_EVENTS, usual.batch)?,
        k: count("k", written.k, MOST_ITEMS, usual.k)?,
        connections: count("connections", written.connections, 1_000_000, usual.connections)?,
        header: bytes("limits.header", written.header.as_ref(), (8 << 10, 1 << 20), usual.header)?,
        timeout: time("limits.timeout", written.timeout.as_deref(), usual.timeout)?,
        idle: time("limits.idle", written.idle.as_deref(), usual.idle)?,
        rate: written.rate.map(|rate| per_second("limits.rate", rate)).transpose()?,
    })
}

fn keys(written: Vec<WrittenKey>) -> Result<Vec<Key>> {
    let (mut names, mut marks) = (HashSet::new(), HashSet::new());
    let mut key = |(place, written): (usize, WrittenKey)| {
        let WrittenKey { name, roles, sha256, rate } = written;
        ensure!(
            is_name(&name),
            "keys[{place}].name: expected 1 to 64 letters, digits, `-`, `_` or `.`, got `{name}`"
        );
        ensure!(names.insert(name.clone()), "keys[{place}].name: there are two keys `{name}`; rename one");
        let roles = roles_of(&format!("keys[{place}].roles"), roles.iter().map(String::as_str))?;
        let mark = KeyMark::from_hex(&sha256).with_context(|| {
            format!("keys[{place}].sha256: expected the 64 hexadecimal digits that `wane key` prints")
        })?;
        ensure!(
            marks.insert(mark.to_string()),
            "keys[{place}].sha256: another key has it too; make one for each with `wane key`"
        );
        let rate = rate.map(|rate| per_second(&format!("keys[{place}].rate"), rate)).transpose()?;
        Ok(Key { name, roles, mark, rate })
    };
    written.into_iter().enumerate().map(&mut key).collect()
}

/// Whether a key may be called so: it stands in logs and in TOML.
pub(crate) fn is_name(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(is_fit)
}

/// Roles by name, at least one.
pub(crate) fn roles_of<'a>(setting: &str, names: impl IntoIterator<Item = &'a str>) -> Result<Roles> {
    let expected = "expected one or more of read, write, admin";
    let roles = Roles::named(names).map_err(|name| anyhow::anyhow!("{setting}: {expected}, got `{name}`"))?;
    ensure!(roles != Roles::default(), "{setting}: {expected}, got none");
    Ok(roles)
}

fn address(setting: &str, text: &str) -> Result<SocketAddr> {
    text.parse()
        .with_context(|| format!("{setting} {text}: expected an address and a port, as in 127.0.0.1:7700"))
}

fn per_second(setting: &str, rate: f64) -> Result<f64> {
    ensure!(
        rate > 0.0 && rate <= 1e6,
        "{setting}: expected requests per second, above 0 and up to 1000000, got {rate}; leave it out for no limit"
    );
    Ok(rate)
}

fn time(setting: &str, written: Option<&str>, usual: Duration) -> Result<Duration> {
    let Some(text) = written else { return Ok(usual) };
    let seconds = parse_days(setting, text)? * 86_400.0;
    ensure!((0.1..=3_600.0).contains(&seconds), "{setting}: expected 0.1s to 1h, got `{text}`");
    Ok(Duration::from_secs_f64(seconds))
}

/// A number of bytes, as a number or with a unit.
fn bytes(
    setting: &str,
    written: Option<&Value>,
    (least, most): (usize, usize),
    usual: usize,
) -> Result<usize> {
    let Some(written) = written else { return Ok(usual) };
    let number = match written {
        Value::Integer(number) => usize::try_from(*number).ok(),
        Value::String(text) => {
            let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
            let of = |(unit, shift): (&str, u32)| {
                let number = text.strip_suffix(unit)?.trim().parse::<usize>().ok()?;
                number.checked_mul(1 << shift)
            };
            units.into_iter().find_map(of)
        }
        _ => None,
    };
    number.filter(|number| (least..=most).contains(number)).with_context(|| {
        format!("{setting}: expected {least} to {most} bytes, as a number or as in \"4MiB\" or \"16KiB\", got {written}")
    })
}
