"""Recognizes pages that come instead of an article: a consent page, a browser check, a login, an offer to pay.

Such a page is answered with 200, so only its words show what it is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

SHINGLE: Final = 4
"""Characters of the pieces in which two texts are compared. It works for languages without spaces too."""
DENSE: Final = 0.04
"""A page of which so much consists of a wall's usual phrases is a wall. Articles about walls stay below 0.01."""
FOREIGN: Final = 0.4
"""A page that has less than this share of the feed's words does not show the article."""
WHOLE: Final = 0.85
LONGER: Final = 2.0
"""A page with nearly all words of the feed, and so many times as long, shows the article whatever else is on it."""


class Wall(StrEnum):
    """What stands in front of the article. The value is for a person."""

    CHECK = "a browser check came instead of the article"
    CONSENT = "a consent page came instead of the article"
    LOGIN = "a login came instead of the article"
    PAY = "an offer to pay came instead of the article"


PHRASES: Final[dict[Wall, tuple[str, ...]]] = {
    wall: tuple(" ".join(phrase.split()) for phrase in phrases.split("|"))
    for wall, phrases in {
        Wall.CHECK: """
            just a moment | checking your browser | checking if the site
            connection is secure | verify you are human | verifying you are
            human | enable javascript and cookies | you are not a robot |
            you're not a robot | are you a robot | unusual traffic | attention
            required | ddos protection | complete the captcha | pardon our
            interruption | performing security verification | this process is
            automatic | javascript is disabled | please enable javascript |
            turn on javascript | access to this page has been denied | einen
            moment | überprüfung ihres browsers | browser wird überprüft |
            kein roboter | aktivieren sie javascript | un instant |
            vérification de votre navigateur | pas un robot | activez
            javascript | activer javascript | un momento | comprobando su
            navegador | verificando su navegador | no eres un robot | no soy
            un robot | controllo del browser | non sei un robot | verificando
            seu navegador | não é um robô | geen robot | controleren van uw
            browser | проверка браузера | проверяем ваш браузер | вы не робот
            | включите javascript | sprawdzanie przeglądarki | 正在检查您的浏览器 |
            验证您是真人 | 人間であることを確認 | ブラウザを確認 | التحقق من المتصفح | لست روبوت |
            tarayıcınız kontrol ediliyor | robot olmadığınızı
        """,
        Wall.CONSENT: """
            before you continue | we value your privacy | we care about your
            privacy | your privacy choices | accept all | reject all | manage
            preferences | manage cookies | accept and continue | agree and
            continue | we use cookies | uses cookies | we and our partners |
            our partners store | cookie settings | cookie policy | we need
            your consent | alle akzeptieren | akzeptieren und weiter |
            zustimmen und weiter | ihre zustimmung | wir verwenden cookies |
            wir und unsere partner | ihre privatsphäre | mit werbung
            weiterlesen | nous respectons votre vie privée | tout accepter |
            accepter et continuer | continuer sans accepter | utilisons des
            cookies | votre consentement | nos partenaires | valoramos su
            privacidad | aceptar todo | aceptar y continuar | utilizamos
            cookies | nuestros socios | rispettiamo la tua privacy | accetta
            tutti | accetta e continua | utilizziamo i cookie | i nostri
            partner | alles accepteren | wij gebruiken cookies | we gebruiken
            cookies | uw toestemming | onze partners | aceitar todos | usamos
            cookies | aceitar e continuar | принять все | мы используем файлы
            cookie | używamy plików cookie | akceptuję | godkänn alla | vi
            bruger cookies | hyväksy kaikki | používáme cookies | çerezleri
            kabul | 接受所有 | すべて同意 | クッキーを使用 | 모두 동의
        """,
        Wall.LOGIN: """
            log in to continue | login to continue | sign in to continue |
            sign in to read | log in to read | please log in | please sign in
            | create an account | create a free account | register to continue
            | register to read | register for free | forgot password | forgot
            your password | forgotten your password | you must be logged in |
            bitte anmelden | bitte melden sie sich an | melden sie sich an |
            jetzt registrieren | kostenlos registrieren | passwort vergessen |
            connectez-vous | identifiez-vous | créez un compte | créer un
            compte | mot de passe oublié | inicia sesión | inicie sesión |
            regístrate | crea una cuenta | olvidaste tu contraseña | accedi
            per | registrati | crea un account | password dimenticata | log in
            om | meld je aan | maak een account | wachtwoord vergeten | faça
            login | cadastre-se | esqueceu a senha | войдите |
            зарегистрируйтесь | забыли пароль | zaloguj się | logga in | log
            ind | giriş yap | ログイン | 会員登録 | 登录 | 登入 | 로그인 | تسجيل الدخول
        """,
        Wall.PAY: """
            already a subscriber | already subscribe | subscribe now |
            subscribe to read | subscribe to continue | for subscribers only |
            subscribers only | subscriber-only | exclusive to subscribers | to
            continue reading | to keep reading | to read the full | read on
            for | cancel any time | cancel at any time | cancel anytime |
            unlimited access | start your free trial | free trial | for your
            first month | become a member | free articles | jetzt abonnieren |
            nur für abonnenten | bereits abonnent | jederzeit kündbar |
            probemonat | weiterlesen mit | um weiterzulesen | réservé aux
            abonnés | abonnez-vous | déjà abonné | sans engagement | pour lire
            la suite | suscríbete | ya eres suscriptor | para seguir leyendo |
            abbonati | già abbonato | per continuare a leggere | word abonnee
            | al abonnee | voor abonnees | om verder te lezen | já é assinante
            | оформите подписку | подпишитесь | по подписке | dla
            subskrybentów | kup dostęp | prenumerera | 購読 | 有料会員 | 会員限定 | 订阅 |
            구독 | abone ol | اشترك
        """,
    }.items()
}
"""Phrases of such pages, in lower case. One alone proves nothing: articles are about cookies and robots too."""


def find_wall(page: str, title: str, feed: str) -> Wall | None:
    """The wall that a page is, or None if it shows the article.

    `page` is the text of the page, `title` is its title, and `feed` is what the feed says: title and text.
    """
    shown, known = f"{title}\n{page}".casefold(), feed.casefold()
    marks = {wall: [phrase for phrase in phrases if phrase in shown] for wall, phrases in PHRASES.items()}
    total = sum(len(phrase) for found in marks.values() for phrase in found)
    if not total:
        return None
    overlap = share_of(known, shown)
    if feed.strip() and overlap >= WHOLE and len(page) >= LONGER * len(feed):
        return None
    is_dense = total >= DENSE * len(shown)
    is_foreign = overlap < FOREIGN and sum(map(len, marks.values())) > 1
    if not (is_dense or is_foreign):
        return None
    return max(marks, key=lambda wall: sum(map(len, marks[wall])))


def share_of(known: str, shown: str) -> float:
    """The share of the short pieces of one text that another text has too. 1 if the first text is empty."""
    pieces = {known[start : start + SHINGLE] for start in range(max(1, len(known) - SHINGLE + 1))} if known else set()
    return sum(piece in shown for piece in pieces) / len(pieces) if pieces else 1.0
