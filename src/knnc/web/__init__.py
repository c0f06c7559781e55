"""The page that ``knnc serve`` shows: draw a character, drop a scan, look around.

::

    _serve     the address, the token, uvicorn
    _app       the page's files, errors as sentences, and the addresses of
      _draw_app, _pages_app, _map_app
    _state     what requests share, and what one may choose
    _timed     connections that are silent, closed
    _guard     who may ask: Host, Origin, token, sizes, times
    _queue     how much runs at once, and how much may wait
    _readers   the data set and its fitted recipes, learnt in the background
    _layer     what a browser tab taught, over a fitted estimator
    _ruled     how many rows the codes ruled out
    _tabs      what the server keeps of each browser tab
    _decode    a child process that decodes uploads
    _pages     a page read, corrected and exported
    _map       the data set in the plane, and what is remarkable in it
    _files     IDX, CSV, hOCR and Parquet

``static`` is the page itself: HTML, a style sheet and ES modules, as the browser takes them. A leaf
like ``cli``, which is the only one to import it. FastAPI and uvicorn come with the extra ``web``.
"""
