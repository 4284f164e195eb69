//! What may be written on the command line. Nothing is interpreted here: see `config.rs` and `cmd/`.

mod serve;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use serve::{DurabilityName, LogFormat, LogLevel, MakeKey, Serve};

/// Learns how long user interest lives, recommends from it, and says why.
#[derive(Debug, Parser)]
#[command(name = "wane", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Start with `wane demo`, then `wane inspect YOUR_LOG.csv`.")]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Worker threads [default: all cores]. Results do not depend on it.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Print no progress bars.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    Simulate(Simulate),
    Inspect(Inspect),
    Features(Features),
    Halflife(Halflife),
    Forecast(Forecast),
    Profile(Profile),
    Fit(Fit),
    Evaluate(Evaluate),
    Recommend(Recommend),
    Explain(Explain),
    Encode(Encode),
    Serve(Serve),
    Key(MakeKey),
}

/// The whole story on a simulated shop whose true half-lives are known.
///
/// Simulates a shop, reads its log back, compares models, recommends with reasons and writes report.html.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wane demo --out demo\n  wane demo --users 500 --serve")]
pub(crate) struct Demo {
    /// Folder for the shop, the model, report.html and, with --serve, the server's state.
    #[arg(long, default_value = "wane-demo", value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) size: ShopSize,
    /// Seed of the simulation and of every model.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Then answer over HTTP with the best model, until Ctrl-C.
    #[arg(long)]
    pub(crate) serve: bool,
    /// Address and port of --serve; port 0 takes a free one [default: 127.0.0.1:7700].
    #[arg(long, value_name = "ADDR", requires = "serve")]
    pub(crate) listen: Option<String>,
}

/// How large a simulated shop is.
#[derive(Debug, Args)]
pub(crate) struct ShopSize {
    /// Number of users [default: 3000].
    #[arg(long)]
    pub(crate) users: Option<u32>,
    /// Number of items [default: 800].
    #[arg(long)]
    pub(crate) items: Option<u32>,
    /// Length of the log in days [default: 180].
    #[arg(long)]
    pub(crate) days: Option<u32>,
}

/// Write a synthetic shop: events, catalogue and the truth behind them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  wane simulate --out shop --users 10000 --items 2000 --days 365")]
pub(crate) struct Simulate {
    /// Folder for events, catalogue and truth.json.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) size: ShopSize,
    /// Seed: the same seed gives the same shop.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// File format of the events.
    #[arg(long, value_enum, default_value_t = TableFormat::Parquet)]
    pub(crate) format: TableFormat,
}

/// File formats that Wane writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// Comma-separated values.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// What Wane understands of a log: columns, units, spans, rejects. Writes nothing but the rejects file.
#[derive(Debug, Args)]
#[command(mut_arg("paths", |paths| paths.required(true)))]
#[command(after_help = "Examples:
  wane inspect events.csv
  wane inspect logs/ --max-reject 5% --rejects rejects.csv
  wane inspect taobao.csv --map user=1,item=2,type=4,time=5")]
pub(crate) struct Inspect {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    // Groups come last: what follows a group would stand under its heading.
    #[command(flatten)]
    pub(crate) events: EventArgs,
}

/// Write a point-in-time correct feature table.
#[derive(Debug, Args)]
#[command(mut_arg("paths", |paths| paths.required(true)))]
#[command(after_help = "Example:
  wane features events.parquet --per user-category --catalogue items.csv --as-of 2024-05-01 --out features.parquet")]
pub(crate) struct Features {
    /// The Parquet file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The moment that the table describes: only events strictly before it count [default: just after the last event].
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// What a row stands for.
    #[arg(long, value_enum, default_value_t = FeatureRow::User)]
    pub(crate) per: FeatureRow,
    /// Half-lives of the decayed sums.
    #[arg(long, value_name = "DURATIONS", value_delimiter = ',', default_value = "1d,7d,30d,90d")]
    pub(crate) half_lives: Vec<String>,
    // Groups come last: what follows a group would stand under its heading.
    #[command(flatten)]
    pub(crate) events: EventArgs,
    #[command(flatten)]
    pub(crate) catalogue: CatalogueArgs,
}

/// What a row of the feature table stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FeatureRow {
    /// One row per user.
    User,
    /// One row per item.
    Item,
    /// One row per user and category (needs a catalogue).
    UserCategory,
    /// One row per user and item.
    UserItem,
}

/// How long interest lives: half-lives with 95 % intervals, who never comes back, and whether that has changed.
///
/// A gap runs from an event to the user's next one in the same cell. The half-life is the age by which half of those who come
/// back have done so; cells with few gaps are drawn toward their like.
#[derive(Debug, Args)]
#[command(mut_arg("paths", |paths| paths.required(true)))]
#[command(after_help = "Examples:
  wane halflife events.csv
  wane halflife sales.parquet --catalogue products.csv --by department --drift
  wane halflife sales.parquet --catalogue products.csv --by category --out half-lives.parquet --report half-lives.html
  wane halflife sales.csv --catalogue products.csv --by category --effects --map value=price --value-is-price")]
pub(crate) struct Halflife {
    /// What cells are, beside the event type [default: department with --catalogue, else event-type].
    #[arg(long, value_enum)]
    pub(crate) by: Option<CellBy>,
    /// The law of return: best (by BIC), exponential, weibull, log-normal, log-logistic, lomax, two-exponentials,
    /// exponential-and-log-normal. Each is tried with a share that never returns.
    #[arg(long, value_name = "LAW", default_value = "best")]
    pub(crate) law: String,
    /// Test whether the pace of return has changed over four windows of the log.
    #[arg(long)]
    pub(crate) drift: bool,
    /// Fit y = alpha exp(-beta t) as well: by which age since a user's first event their activity has halved.
    #[arg(long)]
    pub(crate) engagement: bool,
    /// Tell what goes along with early and late returns instead: how often before, part of the day, weekend, price, discount.
    /// Cells are compared within themselves; --law is then best, exponential or weibull.
    #[arg(long, conflicts_with_all = ["drift", "engagement", "show", "report"])]
    pub(crate) effects: bool,
    /// With --effects: values of events are prices of one item. Without it, prices are the catalogue's.
    #[arg(long, requires = "effects")]
    pub(crate) value_is_price: bool,
    /// With --effects: seed of the sample of users that is looked at where there are more than 500,000 gaps [default: 42].
    #[arg(long, value_name = "N", requires = "effects")]
    pub(crate) seed: Option<u64>,
    /// Cells that are printed at most, those with most gaps first; files hold all.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) show: usize,
    /// Write all cells (with --effects: all effects) to a .csv, .tsv or .parquet file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write a self-contained HTML page with intervals and curves.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    // Groups come last: what follows a group would stand under its heading.
    #[command(flatten)]
    pub(crate) events: EventArgs,
    #[command(flatten)]
    pub(crate) catalogue: CatalogueArgs,
}

/// How users come back and leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActivityModel {
    /// They leave after a visit.
    BgNbd,
    /// They leave at any time.
    ParetoNbd,
}

/// What interests are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CellBy {
    /// Nothing but the event type, where half-lives are asked for: a user comes back to the shop.
    EventType,
    /// The most general category.
    Department,
    /// The whole category path.
    Category,
    /// The brand.
    Brand,
    /// The item itself.
    Item,
}

/// Who is still a customer, how many visits are to come from each and what they are worth; with --by, who will want what.
///
/// Without --by it counts days with events: the model (BG/NBD or Pareto/NBD, whichever explains the log better) gives each user a rate
/// of coming back and a chance of leaving for good. Where the log has values it also says what the visits to come are worth
/// (gamma-gamma). With --by it gives, for each user and each category (brand, item) that the user acted on, the probability of another event
/// within the horizon.
#[derive(Debug, Args)]
#[command(mut_arg("paths", |paths| paths.required(true)))]
#[command(after_help = "Examples:
  wane forecast sales.csv --horizon 30d
  wane forecast sales.parquet --horizon 8w --out forecast.parquet
  wane forecast sales.csv --map value=amount --model pareto-nbd
  wane forecast sales.parquet --catalogue products.parquet --by category --horizon 14d --out interests.parquet")]
pub(crate) struct Forecast {
    /// Look ahead category by category (brand by brand, item by item) instead of user by user.
    #[arg(long, value_enum)]
    pub(crate) by: Option<CellBy>,
    /// How users come back and leave, user by user [default: the likelier of both].
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) model: Option<ActivityModel>,
    /// How far to look ahead.
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    pub(crate) horizon: String,
    /// Rows that are printed at most, those of whom most is to come; files hold all.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) show: usize,
    /// Write all of it to a .csv, .tsv or .parquet file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    // Groups come last: what follows a group would stand under its heading.
    #[command(flatten)]
    pub(crate) events: EventArgs,
    #[command(flatten)]
    pub(crate) catalogue: CatalogueArgs,
}

/// What users are interested in now: one in full, with the course of each interest, or all of them in tags.
///
/// With --user it prints that user's interests with their strength, the probability of another event within the horizon, how many
/// events are to come (with 95 % intervals) and when what past events excite has halved; --report draws them. With --tags it gives the
/// likeliest categories (and brands, ...) of every user, for mailings and CRM. --summarise has a small language model, read from a file,
/// say it in words: tags of the catalogue, and a paragraph of which each sentence names the events that it rests on.
#[derive(Debug, Args)]
#[command(mut_arg("paths", |paths| paths.required(true)))]
#[command(after_help = "Examples:
  wane profile sales.parquet --catalogue products.parquet --user 42 --report user-42.html
  wane profile sales.parquet --catalogue products.parquet --user 42 --by brand --as-of 2024-05-01 --horizon 14d
  wane profile sales.parquet --catalogue products.parquet --user 42 --user 43 --summarise SmolLM2-135M-Instruct.Q4_1.gguf
  wane profile sales.parquet --catalogue products.parquet --tags --by category,brand --top 5 --out tags.parquet")]
pub(crate) struct Profile {
    /// The user to look at; more of them by writing it again.
    #[arg(long, value_name = "ID", required_unless_present = "tags", conflicts_with = "tags")]
    pub(crate) user: Vec<String>,
    /// Say it in words too, by the language model in this GGUF file or folder (a Llama, Qwen2 or Qwen3 with a byte-level tokeniser).
    #[arg(long, value_name = "FILE", conflicts_with = "tags")]
    pub(crate) summarise: Option<PathBuf>,
    /// Tags of all users.
    #[arg(long)]
    pub(crate) tags: bool,
    /// What interests are told apart by; several with --tags [default: category; without a catalogue: item].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) by: Vec<CellBy>,
    /// How far to look ahead.
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    pub(crate) horizon: String,
    /// The moment, within the log: nothing later is known [default: just after the newest event].
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// Tags of each user at most [default: 5].
    #[arg(long, value_name = "N", requires = "tags")]
    pub(crate) top: Option<usize>,
    /// Tags are at least as likely [default: 5%].
    #[arg(long, value_name = "SHARE", requires = "tags")]
    pub(crate) least: Option<String>,
    /// Rows that are printed at most; files hold all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) show: usize,
    /// Draw the user's interests on one HTML page.
    #[arg(long, value_name = "FILE", conflicts_with = "tags")]
    pub(crate) report: Option<PathBuf>,
    /// Write the tags to a .csv, .tsv or .parquet file.
    #[arg(long, value_name = "FILE", requires = "tags")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    // Groups come last: what follows a group would stand under its heading.
    #[command(flatten)]
    pub(crate) events: EventArgs,
    #[command(flatten)]
    pub(crate) catalogue: CatalogueArgs,
}

/// Train a model and save it.
#[derive(Debug, Args)]
#[command(mut_arg("paths", |paths| paths.required(true)))]
#[command(after_help = "Examples:
  wane fit events.csv --catalogue items.csv --model item-knn --out model
  wane fit events.csv --catalogue items.csv --model trace --log-dir runs --out model
  wane fit sales.parquet --model trace --targets next-basket --out model
  wane fit events.csv --model trace --checkpoint fitting --out model   (after a break: the same line again)
  wane fit today.csv --from model --out model")]
pub(crate) struct Fit {
    /// The model folder to write; an older Wane model there is replaced at once and whole.
    #[arg(long, value_name = "MODEL")]
    pub(crate) out: PathBuf,
    /// Which model; `best` compares all on a hold-out and keeps the winner [default: best; with --from: trace].
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// What will be asked of the model, and is asked on the hold-out that is shown [default: next-item; with --from: what
    /// that model was fitted for].
    #[arg(long, value_enum)]
    pub(crate) targets: Option<FitTargets>,
    /// Go on from this fitted trace model: its log and the given events are known, and it learns from those that are newer
    /// than its own. With no newer ones, it goes on with all of them for --epochs passes.
    #[arg(long, value_name = "MODEL")]
    pub(crate) from: Option<PathBuf>,
    /// Keep the state of training in this folder after every epoch. After an interruption the same command goes on from
    /// there, and ends with the same model to the bit. The folder is removed when the model is saved.
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Write loss, gain and speed of every epoch of training for TensorBoard: a new folder `run-N` for each training.
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    // Groups come last: what follows a group would stand under its heading.
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(flatten)]
    pub(crate) events: EventArgs,
    #[command(flatten)]
    pub(crate) catalogue: CatalogueArgs,
    #[command(flatten)]
    pub(crate) trace: TraceArgs,
}

/// What a fitted model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FitTargets {
    /// The next event's item, from all events before it.
    NextItem,
    /// All items of the next basket (one session; without sessions, one moment), from the baskets before it.
    NextBasket,
}

/// Settings of the trace model that are changed most; all of them are in config/reference.toml.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The trace model (--model trace)")]
pub(crate) struct TraceArgs {
    /// Passes over the log at most [default: 40].
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<u32>,
    /// Length of the vectors [default: 64].
    #[arg(long, value_name = "N")]
    pub(crate) dim: Option<u32>,
    /// Number of time scales [default: 6].
    #[arg(long, value_name = "N")]
    pub(crate) scales: Option<u32>,
    /// Examples of one step [default: 512].
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<u32>,
    /// Learn of items what their features and texts say, and nothing of any one of them: such a model speaks of other shops' items
    /// too (wane evaluate OTHER.csv --model FOLDER).
    #[arg(long)]
    pub(crate) without_ids: bool,
}

/// Turn what is written of items into vectors: alike texts lie close together.
///
/// Without --encoder by the built-in one, which needs no download and compares words and letters, not meanings. A pretrained encoder
/// is a folder as Hugging Face lays it out: BERT, MiniLM, RoBERTa, XLM-R, DistilBERT, or a static table of token vectors (model2vec,
/// WordLlama); or a GGUF file of a language model (Llama, Qwen2, Qwen3), whose vectors are those of each text's last token. What it has
/// encoded is kept: an interrupted command goes on where it was, and items whose text has not changed since the last table are not
/// encoded again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wane encode items.csv --out vectors.parquet
  wane encode items.csv --encoder models/all-MiniLM-L6-v2 --out vectors.parquet
  wane encode items.csv --encoder models/all-MiniLM-L6-v2 --int8 --layers 3 --out vectors.parquet
  wane encode items.csv --encoder models/Qwen3-Embedding-0.6B-Q8_0.gguf --out vectors.parquet
  wane encode items.csv --encoder models/all-MiniLM-L6-v2 --pca 128 --out vectors.parquet
  wane encode items.csv --template '{title}. {category}, {colour}' --out vectors.parquet
  wane fit events.csv --catalogue items.csv --vectors vectors.parquet --model content --out model")]
pub(crate) struct Encode {
    /// Item properties (CSV, TSV, JSONL, Parquet).
    #[arg(value_name = "CATALOGUE")]
    pub(crate) catalogue: PathBuf,
    /// Which catalogue column is what: item=COL,title=COL,category=COL,brand=COL,…
    #[arg(long, value_delimiter = ',', value_name = "ROLE=COL")]
    pub(crate) catalogue_map: Vec<String>,
    /// What is written of an item, columns in braces; what an item lacks is left out [default: title, category, brand, description].
    #[arg(long, value_name = "TEXT")]
    pub(crate) template: Option<String>,
    /// Folder of a pretrained encoder, or its name where Hugging Face's tools have fetched it, or a language model's .gguf file
    /// [default: the built-in encoder].
    #[arg(long, value_name = "PATH")]
    pub(crate) encoder: Option<PathBuf>,
    /// Pretrained, but no .gguf file: linear layers in 8-bit integers, faster and nearly the same.
    #[arg(long, requires = "encoder")]
    pub(crate) int8: bool,
    /// Pretrained, but no .gguf file: only the first layers, faster and less exact.
    #[arg(long, requires = "encoder", value_name = "N")]
    pub(crate) layers: Option<usize>,
    /// Pretrained: written before each text, as in 'passage: ' [default: what the model's folder says].
    #[arg(long, requires = "encoder", value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Pretrained: a text is cut after so many tokens [default: what the model's folder or file says].
    #[arg(long, requires = "encoder", value_name = "N")]
    pub(crate) max_tokens: Option<usize>,
    /// Built-in: numbers per item.
    #[arg(long, default_value_t = 256, value_name = "N", conflicts_with = "encoder")]
    pub(crate) dim: usize,
    /// Built-in: seed of the random projection.
    #[arg(long, default_value_t = 42, conflicts_with = "encoder")]
    pub(crate) seed: u64,
    /// Keep so many numbers of each vector, those of its principal axes in this catalogue, which then weigh alike (whitening).
    #[arg(long, value_name = "N", conflicts_with = "first")]
    pub(crate) pca: Option<NonZeroUsize>,
    /// Keep the first so many numbers of each vector, as encoders allow that were trained for it (Matryoshka).
    #[arg(long, value_name = "N")]
    pub(crate) first: Option<NonZeroUsize>,
    /// Table of vectors (.parquet).
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// Compare models and baselines honestly, with intervals.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wane evaluate events.csv --report report.html
  wane evaluate sales.parquet --targets next-basket --test-span 8w
  wane evaluate --protocol pre-split --train train.tsv --valid dev.tsv --test test.tsv --negatives negatives.tsv.gz
  wane evaluate log.csv --models decayed-popularity,item-knn --tune 20
  wane evaluate log.csv --catalogue items.csv --models trace --withhold-items 10%
  wane evaluate log.csv --vectors log-vectors.parquet --models popularity --model other-shop
  wane evaluate log.csv --catalogue items.csv --task forecast --by category --horizon 14d")]
pub(crate) struct Evaluate {
    /// What is judged: rankings, or the probabilities that `wane forecast --by` gives.
    #[arg(long, value_enum, default_value_t = Task::Ranking)]
    pub(crate) task: Task,
    /// What a forecast is made of [default: category with --catalogue, else event-type: any event of the user].
    #[arg(long, value_enum)]
    pub(crate) by: Option<CellBy>,
    /// How far a forecast looks ahead; the log's last days are what comes [default: 14d].
    #[arg(long, value_name = "DURATION")]
    pub(crate) horizon: Option<String>,
    /// How the log is split and what is predicted.
    #[arg(long, value_enum, default_value_t = ProtocolName::TimeSplit)]
    pub(crate) protocol: ProtocolName,
    /// What a test case must find (time split) [default: all].
    #[arg(long, value_enum)]
    pub(crate) targets: Option<TargetsName>,
    /// Length of the test part, as a duration (8w) or a share of the span (time split) [default: 10%].
    #[arg(long, value_name = "SPAN")]
    pub(crate) test_span: Option<String>,
    /// Length of the validation part before it (time split) [default: 10%].
    #[arg(long, value_name = "SPAN")]
    pub(crate) valid_span: Option<String>,
    /// Training file (pre-split).
    #[arg(long, value_name = "FILE")]
    pub(crate) train: Option<PathBuf>,
    /// Validation file (pre-split).
    #[arg(long, value_name = "FILE")]
    pub(crate) valid: Option<PathBuf>,
    /// Test file (pre-split).
    #[arg(long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    /// Given negatives per test user (columns: user, neg_items): ranking is among them and the targets.
    #[arg(long, value_name = "FILE")]
    pub(crate) negatives: Option<PathBuf>,
    /// Given negatives per validation user, for --tune and for models that stop learning by the validation part.
    #[arg(long, value_name = "FILE")]
    pub(crate) valid_negatives: Option<PathBuf>,
    /// Take this share of the items, 10% say, out of the training: the part `cold-items` then shows how items are ranked
    /// that nobody has touched yet, by their properties in the catalogue.
    #[arg(long, value_name = "SHARE")]
    pub(crate) withhold_items: Option<String>,
    /// Leave items out of the ranking that the user had before (the literature's way; repeats can then never be hits).
    #[arg(long)]
    pub(crate) exclude_seen: bool,
    /// Models to compare [default: all that fit the log].
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) models: Vec<String>,
    /// A saved trace model that competes as it is, with nothing learned from this log; may be named again. A model of another shop
    /// knows these items by their features and texts: fit it --without-ids, and give both logs vectors of one encoder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) model: Vec<PathBuf>,
    /// Ignore relations of the catalogue (they may be undated and know the future).
    #[arg(long)]
    pub(crate) no_relations: bool,
    /// Trials of a seeded search over each model's ranges, on the validation part only.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) tune: u32,
    /// Where trials are kept, so that a search can be resumed.
    #[arg(long, value_name = "FILE", requires = "tune")]
    pub(crate) trials: Option<PathBuf>,
    /// Write loss, gain and speed of every epoch of training for TensorBoard: a new folder `run-N` for each training.
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Judge on the validation part instead of the test part.
    #[arg(long)]
    pub(crate) on_validation: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a self-contained HTML report.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    // Groups come last: what follows a group would stand under its heading.
    #[command(flatten)]
    pub(crate) shared: SharedArgs,
    #[command(flatten)]
    pub(crate) events: EventArgs,
    #[command(flatten)]
    pub(crate) catalogue: CatalogueArgs,
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// Which items a user wants next.
    Ranking,
    /// Whether a user acts on a category within the horizon.
    Forecast,
}

/// How the log is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolName {
    /// Train before T1, validate T1..T2, test after.
    TimeSplit,
    /// Each user's last event is the test, the one before validates.
    LeaveOneOut,
    /// Files split by somebody else: --train, --valid, --test.
    PreSplit,
    /// Each event of a test session is predicted from those before it (with --train, --valid, --test).
    NextItem,
}

/// What a test case must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetsName {
    /// Every item of the user's test part.
    All,
    /// The items of the user's first basket in the test part.
    NextBasket,
    /// The first item of the user's test part.
    NextItem,
}

/// Top-K for one user or many, with reasons.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wane recommend model --user 42 --explain
  wane recommend model --user 42 --as-of 2024-05-01 --filter 'price < 20 and category = \"Snacks\"' --no-repeat
  wane recommend model --users users.csv -k 20 --out lists.parquet
  wane recommend model --user 42 --catalogue today.csv --vectors today.parquet")]
pub(crate) struct Recommend {
    /// The model folder.
    pub(crate) model: PathBuf,
    /// The user to recommend for.
    #[arg(long, required_unless_present = "users", conflicts_with = "users", value_name = "ID")]
    pub(crate) user: Option<String>,
    /// A file with a user column, or `all`.
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Length of the list.
    #[arg(short, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) k: u32,
    /// The moment of the question [default: just after the newest event that the model knows].
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// Newer events than the model's, read and added to the histories.
    #[arg(long, value_name = "EVENTS", num_args = 1..)]
    pub(crate) events: Vec<PathBuf>,
    /// A catalogue newer than the model: its new items are known by what it says of them (trace model).
    #[command(flatten)]
    pub(crate) catalogue: CatalogueArgs,
    /// Items that must not appear.
    #[arg(long, value_delimiter = ',', value_name = "ITEMS")]
    pub(crate) exclude: Vec<String>,
    /// An expression on catalogue fields, e.g. 'price < 20 and brand = "Acme"'.
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Leave out what the user had before.
    #[arg(long)]
    pub(crate) no_repeat: bool,
    /// 0: by score alone; 1: as different from each other as possible.
    #[arg(long, default_value_t = 0.0, value_name = "0..1")]
    pub(crate) diversity: f32,
    /// Say why: the share of every past event in every score.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print JSON (reasons included).
    #[arg(long)]
    pub(crate) json: bool,
    /// Write lists to a .parquet or .jsonl file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Why an item has its score for a user, and what it would be if some events had not happened.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wane explain model --user 42 --item 1007
  wane explain model --user 42 --item 1007 --as-of 2024-05-01 --without 3 --without 8")]
pub(crate) struct Explain {
    /// The model folder.
    pub(crate) model: PathBuf,
    /// The user who is asked about.
    #[arg(long, value_name = "ID")]
    pub(crate) user: String,
    /// The item whose score is explained.
    #[arg(long, value_name = "ID")]
    pub(crate) item: String,
    /// The moment of the question [default: just after the newest event that the model knows].
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// Newer events than the model's, read and added to the histories.
    #[arg(long, value_name = "EVENTS", num_args = 1..)]
    pub(crate) events: Vec<PathBuf>,
    /// A catalogue newer than the model: its new items are known by what it says of them (trace model).
    #[command(flatten)]
    pub(crate) catalogue: CatalogueArgs,
    /// Ask also what score and rank would be without this event: its number as printed. May be repeated.
    #[arg(long, value_name = "EVENT", value_delimiter = ',')]
    pub(crate) without: Vec<usize>,
    /// Print every reason, not only the greatest twenty and the sum of the others.
    #[arg(long)]
    pub(crate) all: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a behaviour log is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading events")]
pub(crate) struct EventArgs {
    /// Log files, folders or globs (CSV, TSV, JSONL, Parquet; .gz, .zst).
    #[arg(value_name = "EVENTS")]
    pub(crate) paths: Vec<PathBuf>,
    /// Which column is what: user=COL,item=COL,time=COL,type=COL,value=COL,session=COL (names, or positions from 1).
    #[arg(long, value_delimiter = ',', value_name = "ROLE=COL")]
    pub(crate) map: Vec<String>,
    /// Whether delimited files begin with a header [default: found from the first row].
    #[arg(long, value_name = "auto|yes|no")]
    pub(crate) header: Option<String>,
    /// Unit of numeric times [default: found from their size].
    #[arg(long, value_name = "UNIT")]
    pub(crate) time_unit: Option<String>,
    /// New names for event types: 1=view,4=purchase.
    #[arg(long, value_delimiter = ',', value_name = "OLD=NEW")]
    pub(crate) types: Vec<String>,
    /// A rule that sets an event's type, or drops or rejects its row: 'Quantity<0=return', 'InvoiceNo^C=cancellation'.
    #[arg(long = "rule", value_name = "RULE")]
    pub(crate) rules: Vec<String>,
    /// Rows without a user: reject them, skip them, or make their session the user.
    #[arg(long, value_name = "reject|skip|session", default_value = "reject")]
    pub(crate) guests: String,
    /// Items to leave out, as patterns with `*`: POST,'BANK*'.
    #[arg(long, value_delimiter = ',', value_name = "PATTERNS")]
    pub(crate) exclude_items: Vec<String>,
    /// Drop rows that repeat another row exactly.
    #[arg(long)]
    pub(crate) dedupe: bool,
    /// Fail when more than this share of the rows is rejected.
    #[arg(long, value_name = "PERCENT", default_value = "1%")]
    pub(crate) max_reject: String,
    /// Write rejected rows with their reasons to this CSV file (with --train, --valid and --test: one file for each).
    #[arg(long, value_name = "FILE")]
    pub(crate) rejects: Option<PathBuf>,
    /// Reject events after this moment as future-dated.
    #[arg(long, value_name = "TIME")]
    pub(crate) not_after: Option<String>,
    /// Drop users with more events than this on some day (bots).
    #[arg(long, value_name = "N")]
    pub(crate) max_events_per_day: Option<u32>,
    /// Drop users with fewer events, again and again until nothing changes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) min_user_events: u32,
    /// Drop items with fewer events, again and again until nothing changes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) min_item_events: u32,
}

/// How a catalogue is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Reading the catalogue")]
pub(crate) struct CatalogueArgs {
    /// Item properties (CSV, TSV, JSONL, Parquet).
    #[arg(long, value_name = "FILE")]
    pub(crate) catalogue: Option<PathBuf>,
    /// Which catalogue column is what: item=COL,title=COL,category=COL,brand=COL,price=COL,…
    #[arg(long, value_delimiter = ',', value_name = "ROLE=COL")]
    pub(crate) catalogue_map: Vec<String>,
    /// Item vectors, as `wane encode` writes them; they take the place of the catalogue's.
    #[arg(long, value_name = "FILE")]
    pub(crate) vectors: Option<PathBuf>,
}

/// Settings that several commands share.
#[derive(Debug, Clone, Args)]
pub(crate) struct SharedArgs {
    /// Settings file; see config/reference.toml.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Seed of every random choice.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
}
