"""Which algorithm finds better policies: suites of tasks, runs, exact measures, reports and submissions."""
