"""What make, the build of the wheel and the pipeline run; no part of the wheel."""
