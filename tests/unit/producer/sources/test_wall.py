"""A wall is recognized by its words, in several languages, and an article about walls is none."""

from __future__ import annotations

import pytest

from services.producer.sources.wall import Wall, find_wall

FEED = (
    "The bridge opens\nThe bridge took twelve years to build, cost forty million and links the two banks of the "
    "river for the first time since the flood of 1994, the mayor said on Monday."
)
WALLS = [
    (Wall.CHECK, "Just a moment...", "Checking your browser before accessing the site. This process is automatic."),
    (
        Wall.CHECK,
        "e.org",
        "Please verify you are human by completing the action below. One moment.",
    ),
    (Wall.CHECK, "Un instant", "Vérification de votre navigateur en cours. Cette opération est automatique."),
    (Wall.CHECK, "Проверка", "Проверяем ваш браузер. Подтвердите, что вы не робот."),
    (
        Wall.CONSENT,
        "Before you continue",
        (
            "We value your privacy. We and our partners store and access information on a device, such as unique "
            "identifiers, to process personal data, and to measure advertising performance. You may accept or manage "
            "your choices at any time by clicking below, including your right to object where legitimate interest is "
            "used. Accept all. Reject all."
        ),
    ),
    (
        Wall.CONSENT,
        "Zeitung",
        (
            "Mit Werbung weiterlesen. Besuchen Sie uns wie gewohnt mit Werbung und Tracking. Wir und unsere Partner "
            "brauchen Ihre Zustimmung. Zustimmen und weiter."
        ),
    ),
    (Wall.CONSENT, "Le Journal", "Nous respectons votre vie privée. Tout accepter. Continuer sans accepter."),
    (Wall.LOGIN, "Sign in", "Please log in to read this page. Create a free account. Forgot your password?"),
    (Wall.LOGIN, "Anmeldung", "Bitte melden Sie sich an. Passwort vergessen? Jetzt registrieren."),
    (Wall.PAY, "The bridge opens", "Read on for 2.95 a week. Cancel at any time. Already a subscriber? Log in."),
    (Wall.PAY, "Die Brücke", "Jetzt abonnieren und weiterlesen. Jederzeit kündbar. Bereits Abonnent?"),
    (Wall.PAY, "El puente", "Suscríbete para seguir leyendo. ¿Ya eres suscriptor?"),
    (Wall.PAY, "橋", "この記事は有料会員限定です。購読はこちら。"),
]
ABOUT = (
    "The regulator fined three publishers on Tuesday because their sites say 'we value your privacy' and then offer "
    "only one button, 'accept all'. Readers who declined saw an offer to subscribe. The ruling names 40 sites, "
    "and says that a choice must be as easy to refuse as to make. The publishers will appeal, their lawyer said. "
    "The first hearing is in March. In the past year the regulator received 4,000 complaints, twice as many. "
) * 3


@pytest.mark.parametrize(("wall", "title", "page"), WALLS, ids=[f"{wall.name} {title}" for wall, title, _ in WALLS])
def test_a_wall_is_named_with_and_without_a_text_in_the_feed(wall: Wall, title: str, page: str) -> None:
    assert find_wall(page, title, FEED) is wall
    assert find_wall(page, title, "") is wall


@pytest.mark.parametrize("feed", [FEED, "The bridge opens", ""])
def test_an_article_is_no_wall(feed: str) -> None:
    page = f"{FEED} " * 3 + "Thousands of people crossed it on foot on the first evening. Log in to comment."
    assert find_wall(page, "The bridge opens", feed) is None


def test_an_article_about_walls_is_no_wall() -> None:
    assert find_wall(ABOUT, "Publishers fined", "Publishers fined over privacy") is None
    assert find_wall(ABOUT, "Publishers fined", "") is None


def test_the_beginning_of_an_article_with_an_offer_to_pay_is_better_than_the_feed() -> None:
    page = FEED * 2 + " Subscribe now to continue reading."
    assert find_wall(page, "The bridge opens", FEED) is None
