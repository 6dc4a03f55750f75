//! A worker process for tests: `answer-worker ANSWERS CONTROL LOG`. Looks
//! answers up by file name, notes every request, and does what the control
//! file says.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cofi_lid::protocol::{Answer, Failure, FailureClass, Ready, Request, WorkerLine};
use cofi_tests::worker::{Behaviour, KnownAnswer, read_answers};

struct Worker {
    answers: HashMap<String, KnownAnswer>,
    control: PathBuf,
    log: File,
    answered: u64,
}

fn main() -> Result<ExitCode> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [answers, control, log] = &paths[..] else {
        anyhow::bail!("usage: answer-worker ANSWERS CONTROL LOG")
    };
    if let Behaviour::Refuse { why } = Behaviour::read(control)? {
        say(&WorkerLine::Fatal { fatal: why })?;
        return Ok(ExitCode::FAILURE);
    }
    let mut worker = Worker {
        answers: read_answers(answers)?,
        control: control.clone(),
        log: OpenOptions::new().create(true).append(true).open(log).context("open the log")?,
        answered: 0,
    };
    let ready =
        Ready { engine: Some("answers".to_owned()), device: Some("cpu".to_owned()), ..Ready::default() };
    say(&WorkerLine::Ready { ready })?;
    for line in io::stdin().lock().lines() {
        if let Some(line) = worker.serve(&Request::parse(&line?)?)? {
            say(&line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn say(line: &WorkerLine) -> Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{}", line.to_line()?)?;
    Ok(output.flush()?)
}

impl Worker {
    /// What is said to a request; nothing if it is to hang.
    fn serve(&mut self, request: &Request) -> Result<Option<WorkerLine>> {
        let name =
            request.path.file_name().and_then(|name| name.to_str()).context("a path without a name")?;
        // One write, so that the lines of several workers do not mix.
        let line = format!("{name}\t{}\n", request.candidates.join(","));
        self.log.write_all(line.as_bytes()).context("note a request")?;
        match Behaviour::read(&self.control)? {
            Behaviour::FailAfter { answers, class } if self.answered >= answers => {
                return Ok(Some(failure(request, "told to fail", "told_to", class)));
            }
            Behaviour::Answer | Behaviour::FailAfter { .. } => {}
            Behaviour::Delay { millis } => thread::sleep(Duration::from_millis(millis)),
            Behaviour::Crash | Behaviour::Refuse { .. } => std::process::exit(1),
            Behaviour::Hang => return Ok(None),
        }
        self.answered += 1;
        let Some(known) = self.answers.get(name) else {
            let error = format!("no answer is known for {name:?}");
            return Ok(Some(failure(request, &error, "no_answer", FailureClass::Recording)));
        };
        Ok(Some(WorkerLine::Answer(Answer {
            id: request.id.clone(),
            language: known.said.clone(),
            probabilities: Vec::new(),
            unrestricted: None,
            duration_seconds: known.duration_seconds,
            processing_seconds: known.processing_seconds,
        })))
    }
}

fn failure(request: &Request, error: &str, code: &str, class: FailureClass) -> WorkerLine {
    let (error, code) = (error.to_owned(), code.to_owned());
    WorkerLine::Failure(Failure { id: request.id.clone(), error, code, class })
}
