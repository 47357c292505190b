"""What furniture looks like: one table a kind, in the order in which it is tried. A rule sees one line.

Add a language by adding its words here; `services/normalizer/normalize.py` knows positions, not words.
"""

from __future__ import annotations

import re

AGENCIES = (
    "AFP", "AP", "Reuters", "EFE", "DPA", "dpa", "ANSA", "ANP", "Xinhua", "TASS", "ТАСС", "РИА Новости", "RIA Novosti",
    "Interfax", "Интерфакс", "Kyodo", "Yonhap", "PTI", "IANS", "ANI", "Belga", "APA", "Lusa", "PAP", "NTB", "TT", "Ritzau",
    "STT", "Anadolu", "AA", "Ukrinform", "Укрінформ", "BNS", "CTK", "ČTK", "MTI", "Tanjug", "Hina", "Europa Press", "UPI",
    "Bloomberg", "CNA", "新华社", "共同社", "時事通信", "WAM", "SPA", "MENA", "KUNA",
)  # fmt: skip
_AGENCY = "|".join(re.escape(name) for name in sorted(AGENCIES, key=len, reverse=True))

AGENCY_LINE = re.compile(rf"^[\s(\[–—-]*(?P<agency>{_AGENCY})(?:\s*[/,-]\s*(?:{_AGENCY}))*[\s)\].]*$")
"""A line that is only an agency's name."""
AGENCY_CREDIT = re.compile(
    r"^\W*(?:with (?:additional )?(?:information|inputs?|reporting) (?:from|by)|con informaci[oó]n de|avec|mit material von|"
    r"com informações d[aeo]|con informazioni da|bron|source|quelle|fuente|fonte|источник|джерело|źródło|källa|kaynak)"
    rf"\s*:?\s*(?:the )?(?P<agency>{_AGENCY})\b[^.]{{0,40}}\W*$",
    re.IGNORECASE,
)
"""A line that credits an agency: `(With information from EFE)`."""
AGENCY_DATELINE = re.compile(rf"^[^.\n]{{0,60}}\((?P<agency>{_AGENCY})\)\s*[.:–—-]")
"""`BERLIN, 3 March (Reuters) - …`; stays in the text."""
AGENCY_TOLD = re.compile(
    r"\b(?:told|said to|dijo a|a déclaré à l['’]|sagte|zei tegen|ha detto all['’])\s*(?:the |der |die |het )?"
    rf"(?P<agency>{_AGENCY})\b"
)
"""`…, the expert told AFP.`; stays in the text."""

SOURCE_LINE = re.compile(
    r"^(?:source|bron|quelle|fuente|fonte|источник|джерело|źródło|källa|kaynak|المصدر|来源|來源|出典)\s*[:：]\s*\S.{0,80}$",
    re.IGNORECASE,
)
"""A line that names where the text was taken from."""

BOILERPLATE: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "source_link",
        re.compile(
            r"^\W*(?:source link|link to (?:the )?(?:original|source)|original article|read (?:the )?original(?: article)?|"
            r"lees het originele artikel|zum original(?:artikel)?|lien source|enlace (?:a la )?fuente|link da fonte|"
            r"link alla fonte|ссылка на источник|оригінал статті|原文链接|原文連結)\W*$",
            re.IGNORECASE,
        ),
    ),
    (
        "related",
        re.compile(
            r"^\W*(?:related(?: (?:articles?|stories|posts?|news|topics|content))?|you may (?:also )?like|more (?:stories|news|on this)|"
            r"read (?:also|more|next)(?: *[:：].*)?|recommended(?: for you)?|don['’]t miss|see also(?: *[:：].*)?|also read.*|"
            r"gerelateerd(?:e (?:artikelen|berichten))?|lees ook(?: *[:：].*)?|lees (?:meer|verder)(?: *[:：].*)?|"
            r"(?:ähnliche|verwandte|weitere) (?:artikel|beiträge|themen|nachrichten)|mehr zum thema|lesen sie (?:auch|mehr)(?: *[:：].*)?|"
            r"auch interessant|das könnte sie auch interessieren|"
            r"articles? (?:similaires|liés|connexes)|(?:à|a) lire (?:aussi|également)(?: *[:：].*)?|sur le même (?:sujet|thème)|lire (?:aussi|plus)(?: *[:：].*)?|"
            r"art[ií]culos? relacionados?|noticias relacionadas|(?:lea|lee|leer|ver) (?:tambi[eé]n|m[aá]s)(?: *[:：].*)?|te puede interesar(?: *[:：].*)?|"
            r"articoli correlati|leggi anche(?: *[:：].*)?|potrebbe interessarti(?: anche)?|"
            r"(?:artigos|not[ií]cias|mat[eé]rias) relacionad[ao]s|le[ir]a (?:tamb[eé]m|mais)(?: *[:：].*)?|veja tamb[eé]m(?: *[:：].*)?|saiba mais(?: *[:：].*)?|"
            r"читайте (?:также|ещ[её]|далее)(?: *[:：].*)?|по теме|похожие (?:статьи|новости|материалы)|материалы по теме|"
            r"читайте (?:також|ще)(?: *[:：].*)?|схожі (?:статті|новини)|за темою|"
            r"powiązane (?:artykuły|tematy)|czytaj (?:także|też|więcej|również)(?: *[:：].*)?|zobacz (?:także|też|również)(?: *[:：].*)?|"
            r"relaterade (?:artiklar|nyheter)|läs (?:också|även|mer)(?: *[:：].*)?|"
            r"ilgili haberler|benzer haberler|bunlar[ıi] da okuyun|ayrıca (?:bakınız|okuyun)(?: *[:：].*)?|"
            r"مقالات ذات صلة|أخبار ذات صلة|اقرأ (?:أيضا|أيضاً|المزيد)(?: *[:：].*)?|مواضيع ذات صلة|"
            r"相关(?:新闻|阅读|文章|报道)|相關(?:新聞|閱讀|文章)|延伸阅读|延伸閱讀|更多(?:新闻|报道)|関連記事|関連ニュース|あわせて読みたい|こちらもおすすめ)\W*$",
            re.IGNORECASE,
        ),
    ),
    (
        "comments",
        re.compile(
            r"^\W*(?:leave a (?:reply|comment)|(?:post|add|write) a comment|cancel reply|\d* ?comments?(?: \(\d+\))?|no comments(?: yet)?|"
            r"your email address will not be published.*|required fields are marked.*|"
            r"save my name,? (?:and )?email.*|notify me of (?:follow-up|new).*|(?:log ?in|sign in) to (?:leave a |post a )?comment.*|"
            r"(?:geef|laat|plaats) een reactie(?: achter)?|reactie annuleren|\d* ?reacties?|(?:je|uw) e-?mailadres wordt niet gepubliceerd.*|(?:vereiste|verplichte) velden.*|"
            r"(?:schreibe?|hinterlasse?n?)(?: sie)? einen? kommentar.*|kommentar (?:schreiben|hinterlassen|verfassen)|\d* ?kommentare?|(?:deine|ihre) e-?mail-adresse wird nicht veröffentlicht.*|erforderliche felder.*|"
            r"laisser? un commentaire|annuler la réponse|\d* ?commentaires?|votre adresse (?:e-?mail|de messagerie) ne sera pas publiée.*|les champs obligatoires.*|"
            r"deja(?:r)? (?:un comentario|una respuesta)|cancelar (?:la )?respuesta|\d* ?comentarios?|(?:tu|su) (?:dirección de )?correo electrónico no será publicad[ao].*|los campos obligatorios.*|"
            r"lascia un commento|annulla risposta|\d* ?commenti|il tuo indirizzo e-?mail non sarà pubblicato.*|i campi obbligatori.*|"
            r"deixe? (?:um comentário|uma resposta)|cancelar resposta|o seu endereço de e-?mail não será publicado.*|(?:os )?campos obrigatórios.*|"
            r"(?:оставить|добавить|написать) комментарий|оставьте комментарий|отменить ответ|комментарии(?: \(\d+\))?|ваш (?:адрес )?e-?mail не будет опубликован.*|обязательные поля.*|"
            r"(?:залишити|додати) (?:коментар|відповідь)|скасувати відповідь|коментарі|ваша e-?mail адреса не оприлюднюватиметься.*|обов['’]язкові поля.*|"
            r"(?:dodaj|zostaw|napisz) komentarz|anuluj odpowiedź|komentarze|twój adres e-?mail nie zostanie opublikowany.*|wymagane pola.*|"
            r"lämna (?:ett svar|en kommentar)|avbryt svar|kommentarer|din e-?postadress kommer inte (?:att )?publiceras.*|obligatoriska fält.*|"
            r"(?:bir )?(?:yorum|cevap|yanıt) (?:yap|yaz|bırak)ın?|yanıtı iptal et|yorumlar|e-?posta (?:adresiniz|hesabınız) yayımlanmayacak.*|gerekli alanlar.*|"
            r"اترك (?:تعليق|رد)(?:ا|اً|ًا)?|إلغاء الرد|التعليقات|لن يتم نشر عنوان بريدك الإلكتروني.*|الحقول الإلزامية.*|"
            r"发表(?:评论|回复)|取消回复|評論|评论|發表(?:評論|迴響|回覆)|(?:您的)?(?:电子)?邮箱地址不会被公开.*|必填项.*|コメントを(?:残す|書く|投稿).*|コメント|メールアドレスが公開されることはありません.*)\W*$",
            re.IGNORECASE,
        ),
    ),
    (
        "navigation",
        re.compile(
            r"^\W*(?:back to (?:the )?top(?: button)?|(?:go )?to top|skip to (?:main )?content|next (?:article|post|story)|previous (?:article|post|story)|(?:home|menu|search)|"
            r"(?:terug )?naar boven|vorig(?:e)? (?:artikel|bericht)|volgend(?:e)? (?:artikel|bericht)|(?:zurück )?nach oben|vorheriger (?:artikel|beitrag)|nächster (?:artikel|beitrag)|"
            r"(?:retour )?en haut(?: de (?:la )?page)?|retour en haut|article (?:précédent|suivant)|volver arriba|(?:artículo|noticia) (?:anterior|siguiente)|torna su|articolo (?:precedente|successivo)|"
            r"voltar ao topo|(?:artigo|notícia) (?:anterior|seguinte)|próxim[ao] (?:artigo|notícia)|(?:наверх|вернуться наверх|в начало)|(?:предыдущая|следующая) (?:статья|новость)|(?:нагору|на початок)|"
            r"(?:do góry|powrót na górę)|(?:poprzedni|następny) artykuł|(?:till toppen|tillbaka till toppen)|(?:yukarı(?: çık)?|başa dön)|(?:العودة|الرجوع) (?:إلى|الى) (?:الأعلى|أعلى)|"
            r"返回顶部|回到顶部|返回頂部|上一篇.*|下一篇.*|(?:ページ)?(?:トップ|先頭)(?:へ|に)戻る|前の記事|次の記事|advertisement|advertentie|anzeige|werbung|publicité|publicidade?|pubblicità|реклама|reklama?|annons|إعلان|广告|廣告|広告)\W*$",
            re.IGNORECASE,
        ),
    ),
    (
        "share",
        re.compile(
            r"^\W*(?:share(?: this)?(?: (?:article|story|post|on .{1,40}))?|follow us(?: on .{1,60})?|like us on .{1,40}|tweet|print|email|copy link|click to share.*|"
            r"(?:facebook|twitter|whatsapp|telegram|linkedin|pinterest|reddit|instagram|x)(?:[\s,|/·•]+(?:facebook|twitter|whatsapp|telegram|linkedin|pinterest|reddit|instagram|e-?mail|x))*|"
            r"deel(?: (?:dit|deze|op|via) .{1,40})?|volg ons(?: op .{1,60})?|(?:artikel )?teilen(?: (?:auf|mit|sie) .{1,40})?|folgen sie uns(?: auf .{1,60})?|"
            r"partage[rz]?(?: (?:cet article|sur|l['’]article).{0,40})?|suivez[- ]nous(?: sur .{1,60})?|compart(?:e|ir|a)(?: .{1,40})?|s[ií]gu?[ea]nos(?: en .{1,60})?|condividi(?: .{1,40})?|seguici(?: su .{1,60})?|"
            r"compartilh(?:e|ar)(?: .{1,40})?|partilh(?:e|ar)(?: .{1,40})?|siga-nos(?: .{1,60})?|поделиться(?: .{1,40})?|подписывайтесь на .{1,80}|поділи(?:тися|тись)(?: .{1,40})?|підписуйтесь на .{1,80}|"
            r"udostępnij(?: .{1,40})?|obserwuj nas(?: .{1,60})?|dela(?: (?:artikeln|på|denna) ?.{0,40})?|följ oss(?: .{1,60})?|paylaş(?:ın)?(?: .{1,40})?|bizi takip edin(?: .{1,60})?|"
            r"شارك(?: .{1,40})?|مشاركة(?: .{1,40})?|تابعونا(?: .{1,60})?|分享(?:到|至|此文|文章)?.{0,20}|关注我们.{0,40}|シェア(?:する)?|この記事をシェア.{0,20}|フォローする?)\W*$",
            re.IGNORECASE,
        ),
    ),
    (
        "newsletter",
        re.compile(
            r"^\W*(?:(?:subscribe|sign up)(?: (?:to|for|now|here|today)\b.{0,120})?|(?:join|get) our (?:daily |weekly |free )?newsletter.{0,120}|(?:daily |weekly )?newsletter|"
            r"(?:meld je aan|schrijf je in|abonneer(?: je)?)(?: .{1,120})?|(?:jetzt )?(?:newsletter )?abonnieren.{0,80}|melden sie sich .{0,60}newsletter.{0,60}|"
            r"(?:inscrivez|abonnez)-vous.{0,120}|suscr[ií](?:bete|base|birse)(?: .{1,120})?|iscriviti(?: .{1,120})?|(?:assine|inscreva-se|subscreva)(?: .{1,120})?|"
            r"подпи(?:шитесь|саться|сывайтесь)(?: .{1,120})?|підпи(?:шіться|сатися)(?: .{1,120})?|zapisz się (?:do|na) .{0,120}|(?:prenumerera|anmäl dig)(?: .{1,120})?|"
            r"(?:bültenimize |bültene )?abone ol(?:un)?(?: .{1,120})?|اشترك(?: .{1,120})?|订阅.{0,60}|訂閱.{0,60}|(?:ニュースレター|メルマガ).{0,60})\W*$",
            re.IGNORECASE,
        ),
    ),
    (
        "copyright",
        re.compile(
            r"^\W*(?:©|\(c\)|copyright\b|all rights reserved|alle rechten voorbehouden|alle rechte vorbehalten|tous droits réservés|todos los derechos reservados|"
            r"tutti i diritti riservati|todos os direitos reservados|все права защищены|усі права захищено|wszelkie prawa zastrzeżone|med ensamrätt|alla rättigheter förbehållna|"
            r"tüm hakları saklıdır|جميع الحقوق محفوظة|版权所有|版權所有|無断転載|著作権).{0,160}$|"
            r"^.{0,120}(?:all rights reserved|alle rechten voorbehouden|alle rechte vorbehalten|tous droits réservés|todos los derechos reservados|tutti i diritti riservati|"
            r"todos os direitos reservados|все права защищены|усі права захищено|wszelkie prawa zastrzeżone|tüm hakları saklıdır|版权所有|無断転載(?:を)?禁.{0,6})\W*$",
            re.IGNORECASE,
        ),
    ),
    (
        "cookies",
        re.compile(
            r"^\W*(?:(?:we|this (?:web)?site|our (?:web)?site) uses? cookies.{0,200}|accept (?:all )?cookies|cookie (?:settings|policy|preferences)|(?:wij|deze (?:web)?site) (?:gebruiken|gebruikt|maakt gebruik van) cookies.{0,200}|"
            r"(?:wir|diese (?:web)?seite) (?:verwenden|verwendet|nutzen|nutzt) cookies.{0,200}|(?:nous|ce site) (?:utilisons|utilise) des cookies.{0,200}|(?:utilizamos|usamos|este sitio (?:web )?(?:utiliza|usa)) cookies.{0,200}|"
            r"(?:utilizziamo|questo sito (?:web )?(?:utilizza|usa)) (?:i )?cookies?.{0,200}|(?:este site (?:utiliza|usa)) cookies.{0,200}|(?:мы используем|(?:этот|наш) сайт использует) (?:файлы )?cookies?.{0,200}|"
            r"(?:ми використовуємо|цей сайт використовує) (?:файли )?cookies?.{0,200}|(?:ta strona|nasza strona|serwis) (?:używa|wykorzystuje|korzysta z) (?:plików )?cookies?.{0,200}|(?:vi|den här webbplatsen) använder (?:cookies|kakor).{0,200}|"
            r"(?:bu (?:web )?site(?:si)?|sitemiz(?:de)?) .{0,20}çerez.{0,200}|.{0,40}ملفات تعريف الارتباط.{0,160}|.{0,20}(?:本网站|我们|本網站)使用\s*cookies?.{0,160}|.{0,30}cookieを使用.{0,160})$",
            re.IGNORECASE,
        ),
    ),
)
"""Lines that are furniture wherever they stand; each name is the reason kept beside the dropped line."""

BYLINE = re.compile(
    r"^(?:by|door|von|par|por|di|da|автор|текст|av|autor|yazan|بقلم|作者|文|記者|记者)\s*[:：]?\s+"
    r"(?P<byline>[^\W\d_][\w.'’-]+(?:\s+[^\W\d_][\w.'’-]*){1,4})\s*$",
    re.IGNORECASE,
)
"""A line that only names the author: the words after it start with capitals (checked by the caller)."""

DATE_LABEL = (
    r"date|published(?: on| at)?|posted(?: on)?|updated(?: on)?|last (?:updated|modified)|publication date|first published|"
    r"datum|plaatsingstijd|plaatsingsdatum|gepubliceerd(?: op)?|geplaatst(?: op)?|publicatiedatum|bijgewerkt(?: op)?|laatste update|"
    r"veröffentlicht(?: am)?|erschienen(?: am)?|stand|aktualisiert(?: am)?|erstellt(?: am)?|veröffentlichungsdatum|"
    r"publié(?:e)?(?: le)?|mis à jour(?: le)?|date de publication|fecha(?: de publicación)?|publicado(?: el| em)?|actualizado(?: el)?|atualizado(?: em)?|"
    r"pubblicato(?: il)?|aggiornato(?: il)?|data(?: di pubblicazione| de publicação| publikacji)?|опубликовано|дата(?: публикации| публікації)?|обновлено|опубліковано|оновлено|"
    r"opublikowano|data dodania|zaktualizowano|publicerad(?:es)?|uppdaterad(?:es)?|yayınlan?ma(?: tarihi)?|yayın tarihi|güncelle(?:me|nme)(?: tarihi)?|tarih|"
    r"تاريخ النشر|نشر في|نُشر في|التاريخ|آخر تحديث|发布(?:时间|日期|于)?|發布(?:時間|日期|於)?|发表(?:时间|于)|发稿时间|更新(?:时间|時間|日)?|公開日?|掲載日?|投稿日|日期|時間|时间"
)
"""Words that announce the article's own date."""
