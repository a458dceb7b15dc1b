"""The laboratory: each claim is an experiment with a criterion; what follows from how a model is built is checked too.

One file per claim, to be read as a page of a lab book: what is claimed, what the literature says, what is varied and
what is held equal, the criterion (written before the first run; results/LOG.md has what was changed after one), the
experiment, the figure. A page is called c1_bottleneck.py, begins "C1: the bottleneck.", has the sections "Set-up",
"Criterion" and "What this does not show", which the report shows, and

    CLAIM               its name (C1), title, and what is said
    PROFILES            the settings of "quick" and of "full", plain values that stand in the JSON and under the figure
    jobs(profile)       the trainings and measurements it needs, as independent jobs
    judge(results, profile)  findings against their thresholds, and the numbers of the figure; where a job failed, its
                        results are missing, and findings of None are undecided
    draw(numbers)       the panels of the figure

Whoever adds a page adds its files here and nothing else for `make claims` and the report. `make test` then asks for its
place in the list of tests/test_report_texts.py, its published result with title and saying in Korean
(pipeline/korean.py), each model class of its own in tests/claims/test_contract.py, and in `_SHARED` of jobs.py the
modules that its jobs import.

Shared: `jobs` runs and keeps them, `training` trains tiny models, `verdict` has the rule, `inference` the statistics.
"""
