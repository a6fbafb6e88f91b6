//! Every figure, drawn from good data and from all kinds of odd data.

use std::{sync::LazyLock, thread};

use retrial_report::{
    About, Attempts, Axis, Cartoon, Correlation, Coverage, Curve, Curves, Epoch, Estimate, Figure, Gallery, Histogram,
    Image, Line, Pair, PowerLaw, Row, Threshold, Tile, training,
};

/// A name for the data and a rule for its values.
type Data = (&'static str, fn(usize) -> f64, usize);

const DATA: [Data; 7] = [
    ("normal", |i| 1.0 / (i + 2) as f64, 12),
    ("empty", |_| 0.0, 0),
    ("single", |_| 0.5, 1),
    ("nan", |_| f64::NAN, 9),
    ("zero", |_| 0.0, 9),
    ("huge", |i| [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NEG_INFINITY][i % 6], 9),
    ("mixed", |i| [0.3, f64::NAN, -1.0, 0.0, 7.0, 1e-200][i % 6], 12),
];

fn image(value: fn(usize) -> f64, pixels: usize) -> Image {
    Image::new((0..pixels).map(|i| value(i) as f32).collect::<Vec<_>>())
}

/// All figures from all data, each kind on a thread of its own.
static FIGURES: LazyLock<Vec<Vec<Figure>>> = LazyLock::new(|| {
    let threads = DATA.map(|data| thread::spawn(move || figures(data)));
    threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
});

/// All figures from one kind of data.
fn figures((name, value, count): Data) -> Vec<Figure> {
    let about = |figure: &str| About::new(format!("{name}-{figure}"), "<Title> & \"more\"", "Caption^{2}.");
    let values = || (0..count).map(value);
    let points = || (1..).map(f64::from).zip(values()).collect::<Vec<_>>();
    let band = points().iter().map(|&(x, y)| (x, y * 0.5, y * 2.0)).collect::<Vec<_>>();
    let odd_x = values().zip(values()).collect::<Vec<_>>();
    let curves = |x: Axis, y: Axis| {
        let dashed = Curve::new("dashed^{2}", odd_x.clone()).line(Line::Dashed).color(1);
        let curves = vec![Curve::new("a < b", points()).dots().band(band.clone()), dashed, Curve::new("", points())];
        Curves { x, y, curves }
    };
    let estimates = points().into_iter().map(|(k, value)| Estimate { k, value, low: value - 0.1, high: value + 0.1 });
    let threshold = Threshold { epsilon: value(0), measured: estimates.collect(), eq8: points(), eq12: points() };
    let edges = (0..=count).map(|i| i as f64).collect();
    let histogram = Histogram { label: "T = 1".into(), edges, counts: values().map(|value| value as u64).collect() };
    let odd = Histogram { label: String::new(), edges: values().collect(), counts: vec![1; count] };
    let coverage = |log| Coverage {
        log,
        thresholds: vec![threshold.clone(); 9],
        histograms: vec![histogram.clone(), odd.clone()],
    };
    let correlation = Correlation {
        eigenvalues: values().collect(),
        null: values().map(|value| (value * 0.9, value, value * 1.1)).collect(),
        fit: Some(PowerLaw { exponent: value(0), scale: value(1), ranks: (1.0, count as f64) }),
        matrix: (0..count * count).map(value).collect(),
        trials: count,
    };
    let tile = Tile { image: image(value, count), error: Some(value(0)), trial: Some(u64::MAX) };
    let row = Row { label: "row".into(), tiles: vec![tile; count] };
    let attempts = Attempts { original: image(value, count), trials: vec![(image(value, count), value(0)); count] };
    let epochs: Vec<_> = points().iter().map(|&(epoch, y)| Epoch { epoch, total: y, bce: y, kl: y }).collect();
    vec![
        curves(Axis::log("x"), Axis::log("y")).figure(about("log")),
        curves(Axis::linear("x"), Axis::linear("y").range(value(0), value(1))).figure(about("linear")),
        Pair {
            left: ("(a)".into(), curves(Axis::log("x"), Axis::linear("y"))),
            right: (String::new(), curves(Axis::linear("x"), Axis::log("y"))),
        }
        .figure(about("pair")),
        coverage(true).figure(about("coverage-log")),
        coverage(false).figure(about("coverage")),
        correlation.figure(about("correlation")),
        Correlation { trials: count + 1, ..correlation }.figure(about("not-square")),
        Gallery { columns: vec!["sample".into(); count], rows: vec![row; 2] }.figure(about("gallery")),
        Cartoon { epsilon: value(0), samples: vec![attempts; count] }.figure(about("cartoon")),
        training(about("training"), &epochs),
    ]
}

/// Width and height that an SVG asks for.
fn svg_size(figure: &Figure) -> (f64, f64) {
    let document = roxmltree::Document::parse(&figure.svg).unwrap_or_else(|error| panic!("{}: {error}", figure.name));
    let root = document.root_element();
    assert_eq!(root.attribute("aria-label"), Some("<Title> & \"more\""));
    assert!(document.descendants().all(|node| node.attribute("id").is_none()), "{}", figure.name);
    for attribute in document.descendants().flat_map(|node| node.attributes()) {
        let numbers = match attribute.name() {
            "d" => attribute.value().replace(['M', 'L', 'H', 'V', 'Z'], " "),
            "x" | "y" | "cx" | "cy" | "r" | "width" | "height" | "dy" => attribute.value().to_string(),
            _ => continue,
        };
        let mut parsed = numbers.split([' ', ',']).filter(|number| !number.is_empty()).map(str::parse::<f64>);
        assert!(parsed.all(|number| number.is_ok_and(f64::is_finite)), "{}: {numbers}", figure.name);
    }
    let length = |name| root.attribute(name).and_then(|length| length.parse().ok()).expect("a length");
    (length("width"), length("height"))
}

/// Width and height, and the samples of the pixels: one each where all are gray, or three.
fn pixels(figure: &Figure) -> ((f64, f64), Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(&figure.png)).read_info().expect("a PNG file");
    let mut data = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut data).expect("pixels");
    ((f64::from(info.width), f64::from(info.height)), data)
}

#[test]
fn any_data_gives_two_equal_well_formed_files() {
    for figure in FIGURES.iter().flatten() {
        let (svg, (png, data)) = (svg_size(figure), pixels(figure));
        assert!(data.iter().any(|value| *value < 128), "{} is blank", figure.name);
        assert!((2.0 * svg.0 - png.0).abs() <= 1.0 && (2.0 * svg.1 - png.1).abs() <= 1.0, "{}", figure.name);
        assert!(svg.0 <= 3000.0 && svg.1 <= 3000.0, "{}: {svg:?}", figure.name);
    }
}

#[test]
fn the_same_data_gives_the_same_bytes() {
    assert!(figures(DATA[0]) == FIGURES[0]);
}

#[test]
fn figures_without_data_say_so() {
    for figure in FIGURES[1].iter().filter(|figure| !figure.name.ends_with("cartoon")) {
        assert!(figure.svg.contains("no data to show"), "{}", figure.name);
    }
}

/// Names come from files that others made.
#[test]
fn long_and_many_names_have_a_figure() {
    let curve = |label: String| Curve::new(label, [(1.0, 2.0), (3.0, 4.0)]);
    let figure = |curves| {
        Curves { x: Axis::log("x"), y: Axis::log("y"), curves }.figure(About::new("", "<Title> & \"more\"", ""))
    };
    for figure in [figure(vec![curve("名 ".repeat(1 << 18))]), figure(vec![curve("name".into()); 2000])] {
        let (svg, png) = (svg_size(&figure), pixels(&figure).0);
        assert!(svg.0 > 700.0 && svg.1 >= 440.0 && figure.svg.len() < 1 << 20, "{svg:?}");
        assert!(png.0 * png.1 < 4e7 && (png.0 / png.1 / (svg.0 / svg.1) - 1.0).abs() < 0.02, "{svg:?} {png:?}");
    }
}

#[test]
fn all_drawn_shapes_stay_inside_the_figure() {
    for figure in &FIGURES[0] {
        let (width, height) = svg_size(figure);
        let document = roxmltree::Document::parse(&figure.svg).expect("parsed before");
        for path in document.descendants().filter_map(|node| node.attribute("d")).filter(|path| path.contains('L')) {
            for pair in path.trim_start_matches('M').trim_end_matches('Z').split('L') {
                let (x, y) = pair.split_once(',').expect("a pair");
                let (x, y): (f64, f64) = (x.parse().expect("x"), y.parse().expect("y"));
                assert!((0.0..=width).contains(&x) && (0.0..=height).contains(&y), "{}: {path}", figure.name);
            }
        }
    }
}

#[test]
fn a_bright_pixel_of_an_image_reaches_both_files() {
    let mut bright = vec![0.0_f32; 784];
    bright[0] = 1.0;
    let tile = Tile { image: Image::new(bright), error: None, trial: None };
    let gallery = Gallery { columns: vec![], rows: vec![Row { label: String::new(), tiles: vec![tile] }] };
    let figure = gallery.figure(About::default());
    assert_eq!(figure.svg.matches("data:image/png;base64,").count(), 1);
    let ((width, height), data) = pixels(&figure);
    // One model pixel is 3 scene pixels wide, so 6 in the file: 36 white ones, surrounded by black and by the border.
    let (width, channels) = (width as usize, data.len() / (width * height) as usize);
    let at = |x: usize, y: usize| data[channels * (y * width + x)];
    let left = (0..width).position(|x| at(x, 2 * 30 + 20) == 0).expect("the black part of the image");
    assert_eq!([at(left, 60), at(left + 5, 65), at(left + 6, 60), at(left, 66)], [255, 255, 0, 0]);
}
