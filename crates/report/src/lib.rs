//! Figures as SVG and PNG, and the self-contained HTML report
