"""The laboratory: each claim is an experiment with a criterion; what follows from how a model is built is checked too.

One file per claim, to be read as a page of a lab book: what is claimed, what the literature says, what is varied and
what is held equal, the criterion (written before the first run; results/LOG.md has what was changed after one), the
experiment, the figure. A page has

    CLAIM               its letter and number, title, and what is said
    jobs(profile)       the trainings and measurements it needs, as independent jobs
    judge(results, profile)  findings against their thresholds, and the numbers of the figure
    draw(numbers)       the figure

Shared: `jobs` runs and keeps them, `training` trains tiny models, `verdict` has the rule, `inference` the statistics.
"""
