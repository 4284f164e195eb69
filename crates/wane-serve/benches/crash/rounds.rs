//! Round after round: start, look, load, kill.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wane::artifact::Artifact;
use wane::events::Timestamp;

use super::Settings;
use super::ledger::{Deed, Ledger};
use super::load::{Worker, World};
use super::random::Random;
use super::replay;
use super::server::Server;

const CONNECTIONS: usize = 4;
/// Rounds on one state folder.
const GENERATION: usize = 100;
/// Rounds between two replays.
const REPLAY: usize = 50;
/// Users who are read though nothing was sent of them.
const OTHERS: usize = 5;
/// Milliseconds of load at most.
const LOAD: usize = 120;

/// What was counted over all rounds.
#[derive(Debug, Default)]
struct Totals {
    acknowledged: u64,
    sent: u64,
    erasures: u64,
    words: u64,
    users_read: usize,
    lists_replayed: usize,
    killed_at_start: usize,
    restarts: Vec<Duration>,
}

struct Run<'a> {
    settings: &'a Settings,
    world: World,
    random: Random,
    workers: Vec<Worker>,
    ledger: Ledger,
    folder: tempfile::TempDir,
    totals: Totals,
}

pub(crate) fn run(settings: &Settings) -> ExitCode {
    let rounds = settings.rounds.unwrap_or(1_000);
    let start = Instant::now();
    println!(
        "crash: {rounds} rounds, seed {}, durability {}, {CONNECTIONS} connections, killed within {LOAD} ms",
        settings.seed, settings.durability
    );
    let mut run = Run::new(settings);
    for round in 0..rounds {
        if let Err(violation) = run.round(round) {
            let Run { folder, .. } = run;
            println!("VIOLATION in round {round}, state kept in {}:\n{violation}", folder.keep().display());
            return ExitCode::FAILURE;
        }
        if (round + 1) % GENERATION == 0 {
            println!("{} rounds, {:.0} s", round + 1, start.elapsed().as_secs_f64());
        }
    }
    let last = run.last_look();
    run.totals.add(&run.ledger);
    run.totals.print(rounds, start.elapsed());
    match last {
        Ok(()) => ExitCode::SUCCESS,
        Err(violation) => {
            println!("VIOLATION after the last round:\n{violation}");
            ExitCode::FAILURE
        }
    }
}

impl<'a> Run<'a> {
    fn new(settings: &'a Settings) -> Self {
        let artifact = Artifact::load(&settings.model).expect("--model can be read");
        let names = |vocabulary: &wane::events::Vocab| vocabulary.iter().map(str::to_owned).collect();
        let world = World {
            users: names(artifact.log.users()),
            items: names(artifact.log.items()),
            kinds: artifact.log.event_types().to_vec(),
            moments: (1..10)
                .map(|days| Timestamp::from_millis(now() - days * 86_400_000).to_string())
                .collect(),
        };
        Self {
            settings,
            world,
            random: Random::new(settings.seed, 0),
            workers: (0..CONNECTIONS).map(|place| Worker::new(place, settings.seed)).collect(),
            ledger: Ledger::default(),
            folder: tempfile::tempdir().unwrap(),
            totals: Totals::default(),
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn round(&mut self, round: usize) -> Result<(), String> {
        if round > 0 && round.is_multiple_of(GENERATION) {
            self.last_look()?;
            self.begin_again();
        }
        if self.random.below(7) == 0 {
            let after = Duration::from_micros(self.random.below(40_000) as u64);
            Server::start_and_kill(self.settings, &self.state(), after);
            self.totals.killed_at_start += 1;
        }
        let mut server = Server::start(self.settings, &self.state())?;
        self.totals.restarts.push(server.ready);
        self.look(&server, false)?;
        if (round + 1).is_multiple_of(REPLAY) {
            let folder = self.folder.path().join(format!("replay-{round}"));
            self.totals.lists_replayed +=
                replay::check(self.settings, &folder, &server, &mut self.ledger, &now().to_string())?;
            // Of those who were erased for it nothing is there any more.
            self.look(&server, false)?;
        }
        for deeds in self.load(round, &mut server)? {
            self.ledger.note(deeds, Worker::is_private)?;
        }
        self.look_into_files()
    }

    /// Writes from all connections until the server is killed.
    fn load(&mut self, round: usize, server: &mut Server) -> Result<Vec<Vec<Deed>>, String> {
        let erases = self.random.below(7) == 0;
        let after = Duration::from_micros(1_000 + self.random.below(LOAD * 1_000) as u64);
        let (world, workers) = (&self.world, &mut self.workers);
        let address = server.address.clone();
        std::thread::scope(|scope| {
            let threads: Vec<_> = workers
                .iter_mut()
                .map(|worker| {
                    let address = &address;
                    scope.spawn(move || worker.run(world, round, erases, address))
                })
                .collect();
            std::thread::sleep(after);
            server.kill();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Reads the users of whom something was sent and some others, or all.
    fn look(&mut self, server: &Server, all: bool) -> Result<(), String> {
        let mut connection = server.connect();
        let others = self.random.below(self.ledger.users.len());
        let mut names: Vec<String> = self.ledger.users.keys().cloned().collect();
        names.sort_unstable();
        let is_other = |place: usize| (others..others + OTHERS).contains(&place);
        for (place, name) in names.iter().enumerate() {
            if all || is_other(place) || self.ledger.users[name].is_touched {
                let told = replay::events(&mut connection, name)?;
                self.ledger.check(name, &told, Worker::is_private(name))?;
                self.totals.users_read += 1;
            }
        }
        for item in self.ledger.items() {
            let told = replay::number_of(&mut connection, &item)?;
            self.ledger.check_item(&item, told)?;
        }
        Ok(())
    }

    /// Users who were erased and did nothing since are in no file. (Others come again.)
    fn look_into_files(&self) -> Result<(), String> {
        let is_once = |name: &&String| name.starts_with("gone-for-good");
        let gone = self.ledger.users.iter().filter(|(_, user)| user.is_gone()).map(|(name, _)| name);
        let gone: Vec<&String> = gone.filter(is_once).collect();
        if gone.is_empty() {
            return Ok(());
        }
        for file in std::fs::read_dir(self.state()).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            if let Some(name) = gone.iter().find(|name| occurs(&text, name)) {
                return Err(format!("{name} was erased and is in {}", path.display()));
            }
        }
        Ok(())
    }

    /// All users of a folder, once more.
    fn last_look(&mut self) -> Result<(), String> {
        let server = Server::start(self.settings, &self.state())?;
        self.look(&server, true)
    }

    fn begin_again(&mut self) {
        self.totals.add(&self.ledger);
        self.ledger = Ledger::default();
        self.workers.iter_mut().for_each(Worker::forget);
        self.folder = tempfile::tempdir().unwrap();
    }
}

impl Totals {
    fn add(&mut self, ledger: &Ledger) {
        self.acknowledged += ledger.acknowledged;
        self.sent += ledger.sent;
        self.erasures += ledger.erasures;
        self.words += ledger.words;
    }

    fn print(&mut self, rounds: usize, took: Duration) {
        println!("{rounds} rounds in {:.0} s, no violation", took.as_secs_f64());
        println!("events acknowledged {}, sent {}", self.acknowledged, self.sent);
        println!("erasures acknowledged {}, starts killed {}", self.erasures, self.killed_at_start);
        println!("words about items acknowledged {}", self.words);
        println!("users read {}, lists replayed {}", self.users_read, self.lists_replayed);
        println!(
            "restart to ready: p50 {:?}, p99 {:?}",
            percentile(&mut self.restarts, 50),
            percentile(&mut self.restarts, 99)
        );
    }
}

/// The smallest that so many in a hundred do not exceed.
pub(crate) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

/// The wall clock in milliseconds.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn occurs(text: &[u8], name: &str) -> bool {
    let name = name.as_bytes();
    let Some((first, rest)) = name.split_first() else { return false };
    text.iter().enumerate().any(|(place, byte)| byte == first && text[place + 1..].starts_with(rest))
}

/// The bytes of all files of a folder.
pub(crate) fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}
