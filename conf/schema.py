"""Every key of the job: name, type, unit, range, default and the reason for the default.

Durations ("15m"), sizes ("64KiB") and days ("2000-01-01") become integers in milliseconds, bytes
and milliseconds since 1970 (`conf.units`). Rules between keys are in `conf.rules`; what models take
is made of it in `conf.parameters`.
"""

from conf.section import Section
from conf.sections.deep import DeepRules, FineTuneRules
from conf.sections.events import EventRules
from conf.sections.feedback import FeedbackRules
from conf.sections.items import ItemRules
from conf.sections.job import Flink, Job, Metrics
from conf.sections.kafka import Kafka
from conf.sections.learning import Learning
from conf.sections.privacy import Privacy
from conf.sections.serving import Evaluation, Recommend, Serve, Trending
from conf.sections.users import UserRules


class JobConfig(Section):
    """The whole configuration; every section and every key has a default."""

    job: Job = Job()
    kafka: Kafka = Kafka()
    events: EventRules = EventRules()
    users: UserRules = UserRules()
    items: ItemRules = ItemRules()
    privacy: Privacy = Privacy()
    learning: Learning = Learning()
    recommend: Recommend = Recommend()
    deep: DeepRules = DeepRules()
    fine_tune: FineTuneRules = FineTuneRules()
    feedback: FeedbackRules = FeedbackRules()
    evaluation: Evaluation = Evaluation()
    trending: Trending = Trending()
    serve: Serve = Serve()
    metrics: Metrics = Metrics()
    flink: Flink = Flink()
