//! A page of the guides, taken apart: its fences, its commands, and the way back to text.

use std::fmt::Write as _;

/// A command of a `console` fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Where it stands, from 1.
    pub line: usize,
    /// What is run, continuation lines joined by newlines.
    pub text: String,
    /// What the page says that it prints.
    pub expected: String,
}

/// A fence that is run.
#[derive(Debug, Clone)]
pub enum Fence {
    /// Commands against the lab; the range of lines between the fence's own lines, from 0.
    Console { lines: std::ops::Range<usize>, commands: Vec<Command> },
    /// A script that needs an engine which is not here.
    Stubbed { line: usize, script: String },
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    lines: Vec<String>,
    fences: Vec<Fence>,
    heading_depths: Vec<usize>,
}

/// Lines that may start the lab, as the README has them.
const SERVE_LINES: &[&str] = &["$ cargo run --release --features lab", "$ facteur", "$ facteur serve"];

impl Page {
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut page = Self { fences: Vec::new(), heading_depths: Vec::new(), lines };
        let mut open: Option<(usize, String)> = None;
        for number in 0..page.lines.len() {
            let line = page.lines[number].clone();
            match (&open, line.strip_prefix("```")) {
                (None, Some(info)) => open = Some((number, info.trim().to_owned())),
                (Some((start, info)), Some("")) => {
                    let (start, info) = (*start, info.clone());
                    page.add_fence(start, number, &info)?;
                    open = None;
                }
                (None, None) if line.starts_with('#') => {
                    page.heading_depths.push(line.chars().take_while(|c| *c == '#').count());
                }
                _ => {}
            }
        }
        match open {
            Some((start, _)) => Err(format!("the fence of line {} is not closed", start + 1)),
            None => Ok(page),
        }
    }

    fn add_fence(&mut self, start: usize, end: usize, info: &str) -> Result<(), String> {
        let body = &self.lines[start + 1..end];
        match info {
            "console" => {
                let commands = commands_of(body, start + 2)?;
                self.fences.push(Fence::Console { lines: start + 1..end, commands });
            }
            "console serve" => {
                let first = body.first().map_or("", String::as_str);
                if !SERVE_LINES.contains(&first) {
                    return Err(format!("line {}: {first:?} is none of {SERVE_LINES:?}", start + 2));
                }
            }
            "sh docker" | "sh k8s" => {
                self.fences.push(Fence::Stubbed { line: start + 1, script: body.join("\n") });
            }
            "sh" | "bash" | "shell" => {
                return Err(format!("line {}: a fence {info:?} is not run by anything", start + 1));
            }
            _ => {}
        }
        Ok(())
    }

    pub fn fences(&self) -> &[Fence] {
        &self.fences
    }

    pub fn heading_depths(&self) -> &[usize] {
        &self.heading_depths
    }

    pub fn commands(&self) -> Vec<Command> {
        let of_fence = |fence: &Fence| match fence {
            Fence::Console { commands, .. } => commands.clone(),
            Fence::Stubbed { .. } => Vec::new(),
        };
        self.fences.iter().flat_map(of_fence).collect()
    }

    pub fn has_commands(&self) -> bool {
        !self.commands().is_empty()
    }

    /// The page with these outputs, one for each command.
    pub fn with_outputs(&self, outputs: &[String]) -> String {
        let mut outputs = outputs.iter();
        let mut text = String::new();
        let mut next = 0;
        for fence in &self.fences {
            let Fence::Console { lines, commands } = fence else { continue };
            for line in &self.lines[next..lines.start] {
                writeln!(text, "{line}").unwrap();
            }
            for command in commands {
                writeln!(text, "$ {}", command.text.replace('\n', "\n> ")).unwrap();
                let output = outputs.next().unwrap();
                if !output.is_empty() {
                    writeln!(text, "{output}").unwrap();
                }
            }
            next = lines.end;
        }
        for line in &self.lines[next..] {
            writeln!(text, "{line}").unwrap();
        }
        text
    }
}

fn commands_of(body: &[String], first_line: usize) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Command> = Vec::new();
    let mut in_output = true;
    for (index, line) in body.iter().enumerate() {
        if let Some(text) = line.strip_prefix("$ ") {
            let line = first_line + index;
            commands.push(Command { line, text: text.to_owned(), expected: String::new() });
            in_output = false;
        } else if let Some(text) = line.strip_prefix("> ").filter(|_| !in_output) {
            let last = commands.last_mut().expect("a continuation follows a command");
            last.text.push('\n');
            last.text.push_str(text);
        } else {
            let Some(last) = commands.last_mut() else {
                return Err(format!("line {}: output before any command", first_line + index));
            };
            if in_output {
                last.expected.push('\n');
            }
            last.expected.push_str(line);
            in_output = true;
        }
    }
    Ok(commands)
}
