//! What is logged, and what never is.

use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::settings::LogFormat;

/// Modules of others that print what the Kubernetes API answered as it is: Secrets and tokens may be in it. They are
/// silent, whatever `--log` asks for.
const SILENT: [&str; 1] = ["kube_client::client"];

/// What logs to a writer by `--log` and `--log-format`.
///
/// # Errors
/// When the directives can't be read.
pub fn subscriber<W>(
    directives: &str,
    format: LogFormat,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(directives)?.and(filter_fn(is_allowed));
    Ok(Registry::default().with(lines(format, writer).with_filter(filter)))
}

fn is_allowed(metadata: &Metadata<'_>) -> bool {
    !SILENT.contains(&metadata.target())
}

fn lines<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
        LogFormat::Text => layer.with_ansi(false).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(directives: &str, format: LogFormat) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = subscriber(directives, format, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "kube_client::client", "hunter2");
            tracing::trace!(target: "kube_client::client::builder", "a request");
            tracing::trace!("a detail");
            tracing::info!("a word");
        });
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn what_prints_answers_is_silent_whatever_is_asked_for() {
        for format in [LogFormat::Json, LogFormat::Text] {
            for directives in ["trace", "kube_client=trace,info", "kube_client::client=trace,trace"] {
                let text = logged(directives, format);
                assert!(text.contains("a word") && !text.contains("hunter2"), "{directives}: {text}");
            }
            let all = logged("trace", format);
            assert!(all.contains("a request") && all.contains("a detail"), "{all}");
        }
    }

    #[test]
    fn levels_are_obeyed() {
        let text = logged("info", LogFormat::Json);
        assert!(text.contains("a word") && !text.contains("a detail"), "{text}");
        assert!(subscriber("azureml=loud", LogFormat::Json, io::stderr).is_err());
    }
}
